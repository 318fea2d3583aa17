"""The demo of robots with cameras: four of them patrol a hall, each learns its own room.

In a simulated hall every room has other kinds of pictures on its walls. Each robot labels what it
sees of its own room and learns from that alone, then together with the others by DS-FL, and is
tested on what it saw of the other rooms. Writes summary.json and a picture into the output folder.
"""

from __future__ import annotations

import argparse
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from iot_fl_ros.cli.mesh_processes import run_mesh
from iot_fl_ros.cli.sim_plot import plot_sim, top_picture
from iot_fl_ros.cli.sim_processes import collect
from iot_fl_ros.cli.watch import private_dds_env, run_fleet
from iot_fl_ros.core.config import read_yaml
from iot_fl_ros.core.errors import IotFlError
from iot_fl_ros.data import fashion_mnist
from iot_fl_ros.learning.outputs import read_events, write_json
from iot_fl_ros.ros.share import share_folder
from iot_fl_ros.world.collection import OTHERS, OWN
from iot_fl_ros.world.textures import prepare_world

ALONE, TOGETHER = 'learning alone', 'learning together (DS-FL)'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('--output', type=Path, default=Path('runs/sim'), help='folder for results')
    parser.add_argument('--robots', type=int, default=4, help='number of robots')
    parser.add_argument('--rounds', type=int, help='rounds of learning')


def run(arguments: argparse.Namespace) -> int:
    """Patrol, learn alone, learn together, compare."""
    console, env = Console(), private_dds_env()
    output = arguments.output.absolute()
    shutil.rmtree(output, ignore_errors=True)
    with console.status('getting Fashion-MNIST'):
        fashion_mnist.obtain()
    world = prepare_world(output / 'world')
    console.print('robots patrol all rooms, as fast as this machine simulates')
    ids = collect(output, world, arguments.robots, console=console, env=env)
    settings = read_yaml(share_folder() / 'config' / 'sim.yaml')
    if arguments.rounds:
        settings['run.rounds'] = arguments.rounds
    own = {
        robot_id: {
            'data.private': output / robot_id / OWN, 'data.test': output / robot_id / OTHERS,
        }
        for robot_id in ids
    }  # fmt: skip
    results = {
        ALONE: _learn_alone(settings, ids, own, output / 'alone', console, env),
        TOGETHER: _learn_together(settings, ids, own, output / 'together', console, env),
    }
    samples = {robot_id: _kinds(own[robot_id]) for robot_id in ids}
    console.print(_table(ids, samples, results))
    write_json(output / 'summary.json', {'samples': samples, 'accuracy': results})
    plot = plot_sim(output, ids, top_picture(world), results)
    for path in (output / 'summary.json', plot):
        console.print(f'wrote {path}')
    return 0


def _learn_alone(
    settings: Mapping[str, Any],
    ids: Sequence[str],
    own: Mapping[str, Mapping[str, Any]],
    folder: Path,
    console: Console,
    env: Mapping[str, str],
) -> dict[str, float]:
    """Return the robots' accuracies after the same rounds without the others."""
    alone = {name: value for name, value in settings.items() if not name.startswith('method.')}
    for name in ('run.deadline', 'run.start_timeout', 'data.test_size'):
        alone.pop(name)
    alone |= {
        **read_yaml(share_folder() / 'config' / 'alone.yaml'),
        'run.name': 'sim-alone', 'run.output': str(folder), 'mesh.count': len(ids),
    }  # fmt: skip
    summary = run_mesh('alone', alone, console=console, env=env, own=own)
    return dict(summary['accuracies'])


def _learn_together(
    settings: Mapping[str, Any],
    ids: Sequence[str],
    own: Mapping[str, Mapping[str, Any]],
    folder: Path,
    console: Console,
    env: Mapping[str, str],
) -> dict[str, float]:
    """Return the robots' accuracies after the last round of DS-FL."""
    run_settings = {
        **settings, 'run.name': 'sim', 'run.robots': len(ids), 'run.output': str(folder),
    }  # fmt: skip
    run_fleet('together', run_settings, len(ids), console=console, env=env, own=own)
    accuracies: dict[str, float] = {}
    for row in read_events(folder):
        if row['kind'] == 'robot':
            accuracies[row['robot']] = row['accuracy']
    if set(accuracies) != set(ids):
        raise IotFlError(f'no update of {sorted(set(ids) - set(accuracies))}: see {folder}')
    return accuracies


def _kinds(files: Mapping[str, Path]) -> dict[str, Any]:
    """Return which kinds a robot has samples of, and how many samples to be tested on."""
    own, others = (np.load(files[name]) for name in ('data.private', 'data.test'))
    counts = Counter(str(own['class_names'][kind]) for kind in own['y'])
    return {'own': dict(sorted(counts.items())), 'others': len(others['y'])}


def _table(
    ids: Sequence[str],
    samples: Mapping[str, Mapping[str, Any]],
    results: Mapping[str, Mapping[str, float]],
) -> Table:
    table = Table(title='Accuracy on what each robot saw of the rooms of the others')
    for column in ('robot', 'samples of the own room', 'of the others', *results):
        table.add_column(column, justify='left' if column.startswith('samples') else 'right')
    for robot_id in ids:
        own = ', '.join(f'{count} {kind}' for kind, count in samples[robot_id]['own'].items())
        shares = [f'{accuracies[robot_id]:.1%}' for accuracies in results.values()]
        table.add_row(robot_id, own, str(samples[robot_id]['others']), *shares)
    means = [f'{np.mean(list(accuracies.values())):.1%}' for accuracies in results.values()]
    table.add_row('mean', '', '', *means)
    return table
