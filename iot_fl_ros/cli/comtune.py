"""Train, cut and fine-tune a model for a lossy link (COMtune).

Writes the bundle and a plot. Settings come from a YAML file (config/comtune.yaml shows all of
them) and --set. A stopped training goes on where it was.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from iot_fl_ros.cli.options import add_bundle_dir, add_set, new_bundle, overrides_of
from iot_fl_ros.core.config import read_settings, read_yaml
from iot_fl_ros.reports.progress import TrainingProgress
from iot_fl_ros.ros.share import share_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add('name', help='name of the bundle')
    add('--config', type=Path, help='YAML file (config/comtune.yaml)')
    add_set(parser, 'codec.bits=4')
    add_bundle_dir(parser)
    add('--work', type=Path, help='folder of unfinished steps (runs/comtune-NAME)')
    add('--test-size', type=int, default=2_000, help='test samples of the plot')


def run(arguments: argparse.Namespace) -> int:
    """Make the bundle, then measure it beside the base model."""
    from iot_fl_ros.reports.loss_report import report_losses
    from iot_fl_ros.split.recipe import RecipeSettings
    from iot_fl_ros.studies.loss_measures import accuracies, make_bundle

    console = Console()
    config = arguments.config or share_folder() / 'config' / 'comtune.yaml'
    flat = {**read_yaml(config), **overrides_of(arguments.set)}
    settings = read_settings(RecipeSettings, flat)
    work = arguments.work or Path('runs') / f'comtune-{arguments.name}'
    folder = new_bundle(arguments, arguments.name)
    with TrainingProgress(console) as progress:
        bundles = make_bundle(settings, work, folder, progress)
    console.print(f'wrote {folder}')
    with console.status('measuring accuracy against loss'):
        curves = accuracies(bundles, settings, arguments.test_size)
    sizes = {name: bundle.codec.layout.frame_bytes for name, bundle in bundles.items()}
    report_losses(curves, sizes, settings.split.data, work, console)
    return 0
