"""The demo of split inference: head and tail over DDS, at growing packet loss.

Trains and tunes a small net on Fashion-MNIST (a few minutes, once), then shows test pictures to a
head in one process, with the tail in another, while 0, 30, 60 and 70 % of the packets get lost on
an emulated link. Writes results.json and a plot.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console

from iot_fl_ros.core.config import read_settings, read_yaml
from iot_fl_ros.core.run_files import write_json
from iot_fl_ros.core.run_folder import own
from iot_fl_ros.reports.progress import TrainingProgress
from iot_fl_ros.ros.share import share_folder

_RATES = (0.0, 0.3, 0.6, 0.7)
# The emulated link keeps packets in order: what has not come by then is lost, s.
_QUIET_TIME = 0.02


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add('--output', type=Path, default=Path('runs/demo-split'), help='folder for results')
    add('--pictures', type=int, default=500, help='test pictures at each loss')
    add('--rate', type=float, default=50.0, help='pictures a second')


def run(arguments: argparse.Namespace) -> int:
    """Build both bundles, run them over DDS and compare them."""
    from iot_fl_ros.processes.split import evaluate_over_dds
    from iot_fl_ros.reports.loss_report import (
        draw_accuracy_against_loss,
        over_dds_table,
        report_losses,
    )  # fmt: skip
    from iot_fl_ros.split.bundle import save_bundle
    from iot_fl_ros.split.recipe import Recipe, RecipeSettings
    from iot_fl_ros.studies.loss_measures import accuracies, make_bundle

    console = Console()
    output = arguments.output.absolute()
    own(output)
    settings = read_settings(RecipeSettings, read_yaml(share_folder() / 'config' / 'comtune.yaml'))
    folder = output / 'bundles'
    with TrainingProgress(console) as progress:
        bundles = make_bundle(settings, output / 'training', folder / 'tuned', progress)
    base, tuned = bundles.values()
    save_bundle(Recipe(settings).untuned(base), folder / 'untuned')
    results: dict[str, dict[str, Any]] = {'untuned': {}, 'tuned': {}}
    for name, loss in ((name, loss) for name in results for loss in _RATES):
        with console.status(f'{name}: head and tail over DDS, {loss:.0%} of the packets lost'):
            results[name][f'{loss:g}'] = evaluate_over_dds(
                folder, name, output / f'{name}_{loss:g}',
                {'count': arguments.pictures, 'rate': arguments.rate},
                {'deployment': 'simulation', 'link.loss': loss, 'quiet_time': _QUIET_TIME},
            )  # fmt: skip
    layout, floats = tuned.codec.layout, 4 * tuned.codec.spec.elements
    title = (
        f'{layout.frame_bytes} B of features a frame (1/{floats / layout.frame_bytes:.0f} of '
        f'float32) in {layout.packets} packets, over DDS'
    )
    console.print(over_dds_table(title, results))
    write_json(output / 'results.json', results)
    curves = {
        f'{name}, over DDS': {float(loss): r['accuracy'] for loss, r in rows.items()}
        for name, rows in results.items()
    }
    plot = draw_accuracy_against_loss(curves, output / 'demo_split.png', 'Fashion-MNIST')
    console.print(f'wrote {output / "results.json"} and {plot}')
    sizes = {name: bundle.codec.layout.frame_bytes for name, bundle in bundles.items()}
    with console.status('measuring accuracy against loss'):
        measured = accuracies(bundles, settings, 2_000)
    report_losses(measured, sizes, settings.split.data, output, console)
    return 0
