"""The demo of split inference: a robot's head and the edge's tail over DDS, at growing loss.

Trains and tunes a small net on Fashion-MNIST (a few minutes, once), then shows test pictures to a
head in one process, with the tail in another, while 0, 30, 60 and 70 % of the packets get lost on
an emulated link. Writes results.json and a plot.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from iot_fl_ros.cli.comtune import compare, make_bundle
from iot_fl_ros.core.config import read_settings, read_yaml
from iot_fl_ros.core.errors import IotFlError
from iot_fl_ros.core.run_files import write_json
from iot_fl_ros.processes.nodes import NodeProcesses, parameter_arguments, private_dds_env
from iot_fl_ros.reports.loss_plot import draw_accuracy_against_loss
from iot_fl_ros.ros.share import share_folder
from iot_fl_ros.split.bundle import Bundle, save_bundle
from iot_fl_ros.split.recipe import Recipe, RecipeSettings

RATES = (0.0, 0.3, 0.6, 0.7)
ROBOT = 'robot_0'
# The emulated link keeps packets in order: what has not come by then is lost, s.
QUIET_TIME = 0.02
_TIMEOUT = 300.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        '--output', type=Path, default=Path('runs/demo-split'), help='folder for results'
    )
    parser.add_argument('--pictures', type=int, default=500, help='test pictures at each loss')
    parser.add_argument('--rate', type=float, default=50.0, help='pictures a second')


def run(arguments: argparse.Namespace) -> int:
    """Build both bundles, run them over DDS and compare them."""
    console = Console()
    output = arguments.output.absolute()
    settings = read_settings(RecipeSettings, read_yaml(share_folder() / 'config' / 'comtune.yaml'))
    bundles = output / 'bundles'
    base, tuned = make_bundle(settings, output / 'training', bundles / 'tuned', console)
    save_bundle(Recipe(settings).untuned(base), bundles / 'untuned')
    results: dict[str, dict[str, Any]] = {'untuned': {}, 'tuned': {}}
    for name, loss in ((name, loss) for name in results for loss in RATES):
        with console.status(f'{name}: head and tail over DDS, {loss:.0%} of the packets lost'):
            results[name][f'{loss:g}'] = evaluate_over_dds(
                bundles, name, output / f'{name}_{loss:g}',
                {'count': arguments.pictures, 'rate': arguments.rate},
                {'deployment': 'simulation', 'link.loss': loss, 'quiet_time': QUIET_TIME},
            )  # fmt: skip
    console.print(_table(results, tuned))
    write_json(output / 'results.json', results)
    curves = {
        f'{name}, over DDS': {float(loss): r['accuracy'] for loss, r in rows.items()}
        for name, rows in results.items()
    }
    plot = draw_accuracy_against_loss(curves, output / 'demo_split.png', 'Fashion-MNIST')
    console.print(f'wrote {output / "results.json"} and {plot}')
    compare(base, tuned, settings, 2_000, output, console)
    return 0


def _table(results: dict[str, dict[str, Any]], bundle: Bundle) -> Table:
    layout = bundle.codec.layout
    floats = 4 * bundle.codec.spec.elements
    table = Table(
        title=f'{layout.frame_bytes} B of features a frame (1/{floats / layout.frame_bytes:.0f} '
        f'of float32) in {layout.packets} packets, over DDS'
    )
    for column in (
        'bundle', 'lost', 'packets in', 'answered', 'accuracy', 'latency p50', 'p99',
    ):  # fmt: skip
        table.add_column(column, justify='right')
    for name, rows in results.items():
        for loss, row in rows.items():
            table.add_row(
                name, f'{float(loss):.0%}', f'{row["packets_received"]:.1%}',
                f'{row["answered"]:.1%}', f'{row["accuracy"]:.1%}',
                f'{1e3 * row["latency_p50"]:.1f} ms', f'{1e3 * row["latency_p99"]:.1f} ms',
            )  # fmt: skip
    return table
