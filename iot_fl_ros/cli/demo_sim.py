"""The demo of robots with cameras: four patrol a hall, each learns its own room.

In a simulated hall every room has other kinds of pictures on its walls. Each robot labels what it
sees of its own room and learns from that alone, then together with the others by DS-FL, and is
tested on what it saw of the other rooms. Writes summary.json and a picture into the output folder.
"""

from __future__ import annotations

import argparse
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from iot_fl_ros.core.config import read_yaml
from iot_fl_ros.core.run_files import write_json
from iot_fl_ros.core.run_folder import own
from iot_fl_ros.data import fashion_mnist
from iot_fl_ros.processes.nodes import private_dds_env
from iot_fl_ros.processes.world import Learning, collect
from iot_fl_ros.reports.run_tables import world_table
from iot_fl_ros.ros.share import share_folder
from iot_fl_ros.world.collection import OTHERS, OWN
from iot_fl_ros.world.robot import robot_names
from iot_fl_ros.world.textures import prepare_world

_FOLDERS = ('world', 'log', 'alone', 'together')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add('--output', type=Path, default=Path('runs/sim'), help='folder for results')
    add('--robots', type=int, default=4, help='number of robots')
    add('--rounds', type=int, help='rounds of learning')


def run(arguments: argparse.Namespace) -> int:
    """Patrol, learn alone, learn together, compare."""
    from iot_fl_ros.reports.world_plot import plot_sim
    from iot_fl_ros.world.simulation import Simulation

    console, env = Console(), private_dds_env()
    output = arguments.output.absolute()
    names = robot_names(arguments.robots)
    own(output)
    clear(output, names)
    with console.status('getting Fashion-MNIST'):
        fashion_mnist.obtain()
    world = prepare_world(output / 'world')
    console.print('robots patrol all rooms, as fast as this machine simulates')
    ids = collect(output, world, arguments.robots, console=console, env=env)
    files = {i: {'data.private': output / i / OWN, 'data.test': output / i / OTHERS} for i in ids}
    settings = read_yaml(share_folder() / 'config' / 'sim.yaml')
    if arguments.rounds:
        settings['run.rounds'] = arguments.rounds
    learning = Learning(settings, files, output, console, env)
    results = {
        'learning alone': learning.alone(), 'learning together (DS-FL)': learning.together(),
    }  # fmt: skip
    samples = {robot_id: _kinds(files[robot_id]) for robot_id in ids}
    console.print(world_table(samples, results))
    write_json(output / 'summary.json', {'samples': samples, 'accuracy': results})
    with closing(Simulation(world, ())) as simulation:
        plot = plot_sim(output, ids, simulation.top_view(), results)
    for path in (output / 'summary.json', plot):
        console.print(f'wrote {path}')
    return 0


def clear(output: Path, ids: Sequence[str]) -> None:
    """Delete what an earlier demo with these robots wrote, and nothing else."""
    for name in (*ids, *_FOLDERS):
        shutil.rmtree(output / name, ignore_errors=True)


def _kinds(files: Mapping[str, Path]) -> dict[str, Any]:
    """Return which kinds a robot has samples of, and how many samples to be tested on."""
    mine, others = (np.load(files[name]) for name in ('data.private', 'data.test'))
    counts = Counter(str(mine['class_names'][kind]) for kind in mine['y'])
    return {'own': dict(sorted(counts.items())), 'others': len(others['y'])}
