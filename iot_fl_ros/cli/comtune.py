"""Train, cut and fine-tune a model for a lossy link (COMtune); write the bundle and a plot.

Settings come from a YAML file (config/comtune.yaml shows all of them) and --set. A stopped
training goes on where it was.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from iot_fl_ros.cli.options import read_overrides
from iot_fl_ros.core.config import read_settings
from iot_fl_ros.core.run_files import write_json
from iot_fl_ros.data.registry import load_samples
from iot_fl_ros.link.settings import LinkSettings
from iot_fl_ros.reports.loss_plot import draw_accuracy_against_loss
from iot_fl_ros.reports.training_progress import TrainingProgress
from iot_fl_ros.ros.share import share_folder
from iot_fl_ros.split.bundle import Bundle, save_bundle
from iot_fl_ros.split.evaluation import LossEvaluation
from iot_fl_ros.split.recipe import Recipe, RecipeSettings, spread
from iot_fl_ros.split.settings import BUNDLE_DIR

RATES = (0.0, 0.1, 0.3, 0.5, 0.6, 0.7, 0.8)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('name', help='name of the bundle')
    parser.add_argument('--config', type=Path, help='YAML file (config/comtune.yaml)')
    parser.add_argument(
        '--set', action='append', default=[], metavar='NAME=VALUE',
        help='a setting, for example codec.bits=4; may be repeated',
    )  # fmt: skip
    parser.add_argument(
        '--bundle-dir', type=Path, default=Path(BUNDLE_DIR), help='folder of bundles'
    )
    parser.add_argument('--work', type=Path, help='folder of unfinished steps (runs/comtune-NAME)')
    parser.add_argument('--test-size', type=int, default=2_000, help='test samples of the plot')


def run(arguments: argparse.Namespace) -> int:
    """Make the bundle, then measure it beside the base model."""
    console = Console()
    flat = read_overrides(
        arguments.config or share_folder() / 'config' / 'comtune.yaml', arguments.set
    )
    settings = read_settings(RecipeSettings, flat)
    work = arguments.work or Path('runs') / f'comtune-{arguments.name}'
    folder = arguments.bundle_dir.expanduser() / arguments.name
    base, tuned = make_bundle(settings, work, folder, console)
    console.print(f'wrote {folder}')
    compare(base, tuned, settings, arguments.test_size, work, console)
    return 0


def make_bundle(
    settings: RecipeSettings, work: Path, folder: Path, console: Console
) -> tuple[Bundle, Bundle]:
    """Return (base model, tuned bundle), the latter written to `folder`."""
    with TrainingProgress(console) as progress:
        recipe = Recipe(settings, work, progress)
        tuned = save_bundle(recipe.tuned(recipe.base()), folder)
        return recipe.base(), tuned


def compare(
    base: Bundle,
    tuned: Bundle,
    settings: RecipeSettings,
    test_size: int,
    output: Path,
    console: Console,
) -> None:
    """Measure both at several losses; write loss.json and loss.png, print a table."""
    samples = load_samples(settings.split.data, 'test')
    samples = samples.take(spread(len(samples), test_size))
    curves: dict[str, dict[float, float]] = {
        f'base model, {base.codec.spec.bits} bits': {}, f'tuned, {tuned.codec.spec.bits} bits': {}
    }  # fmt: skip
    with console.status('measuring accuracy against loss'):
        for curve, bundle in zip(curves.values(), (base, tuned), strict=True):
            evaluation = LossEvaluation(bundle, samples)
            for rate in RATES:
                curve[rate] = evaluation.accuracy(LinkSettings(loss=rate, seed=settings.seed))
    table = Table(title=f'Accuracy against packet loss, {len(samples)} test samples')
    for column in ('model', *(f'{rate:.0%}' for rate in RATES), 'B a frame'):
        table.add_column(column, justify='right')
    for (name, curve), bundle in zip(curves.items(), (base, tuned), strict=True):
        size = bundle.codec.layout.frame_bytes
        table.add_row(name, *(f'{100 * curve[rate]:.1f}' for rate in RATES), f'{size:,}')
    console.print(table)
    output.mkdir(parents=True, exist_ok=True)
    plot = draw_accuracy_against_loss(curves, output / 'loss.png', settings.split.data)
    write_json(output / 'loss.json', curves)
    console.print(f'wrote {output / "loss.json"} and {plot}')
