"""The demo: ten robots with two kinds of clothes each learn all ten kinds, over DDS.

An aggregator and ten robots in separate processes run DS-FL and then FedAvg for the same number
of rounds. Writes summary.json and two plots into the output folder.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from rich.console import Console

from iot_fl_ros.core.config import read_yaml
from iot_fl_ros.core.run_files import write_json
from iot_fl_ros.core.run_folder import own
from iot_fl_ros.data.fashion_mnist import obtain
from iot_fl_ros.processes.federation import run_fleet
from iot_fl_ros.processes.nodes import private_dds_env
from iot_fl_ros.reports.run_tables import summary_table
from iot_fl_ros.ros.share import share_folder

METHODS = ('dsfl', 'fedavg')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add('--output', type=Path, default=Path('runs/demo'), help='folder for results')
    add('--rounds', type=int, help='rounds of each method')
    add('--robots', type=int, default=10, help='number of robots')


def run(arguments: argparse.Namespace) -> int:
    """Run both methods, compare them and say where the results are."""
    from iot_fl_ros.reports.run_plots import plot_runs

    console = Console()
    own(arguments.output)
    with console.status('getting Fashion-MNIST'):
        obtain()
    for name in METHODS:
        shutil.rmtree(arguments.output / name, ignore_errors=True)
    config = share_folder() / 'config'
    base = read_yaml(config / 'demo.yaml')
    if arguments.rounds:
        base['run.rounds'] = arguments.rounds
    folders = {name: arguments.output.absolute() / name for name in METHODS}
    summaries = {}
    for name, folder in folders.items():
        settings = {
            **base,
            **read_yaml(config / f'{name}.yaml'),
            'run.name': f'demo-{name}',
            'run.robots': arguments.robots,
            'run.output': str(folder),
        }
        summaries[name] = run_fleet(
            name, settings, arguments.robots, console=console, env=private_dds_env()
        )
    write_json(arguments.output / 'summary.json', {'methods': summaries})
    console.print(summary_table(summaries))
    ratio = (
        summaries['fedavg']['bytes_per_robot_round'] / summaries['dsfl']['bytes_per_robot_round']
    )
    console.print(f'A DS-FL round moves 1/{ratio:.0f} of the bytes of a FedAvg round.')
    for path in (arguments.output / 'summary.json', *plot_runs(folders, arguments.output)):
        console.print(f'wrote {path}')
    return 0
