"""A simulated fleet with cameras: its processes, and learning from what the robots saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from iot_fl_ros.core.config import read_yaml
from iot_fl_ros.core.errors import IotFlError
from iot_fl_ros.core.run_files import read_events
from iot_fl_ros.processes.federation import run_fleet
from iot_fl_ros.processes.nodes import NodeProcesses, ros_arguments, terminate_as_interrupt
from iot_fl_ros.processes.serverless import run_mesh
from iot_fl_ros.ros.share import share_folder
from iot_fl_ros.world.collection import LOOKING, OTHERS, OWN
from iot_fl_ros.world.plan import ROOMS
from iot_fl_ros.world.robot import robot_names

_TIMEOUT = 900.0
# Of an aggregator alone; a robot without one does not know them.
_AGGREGATORS = ('run.deadline', 'run.start_timeout', 'data.test_size')


def collect(
    folder: Path, world: Path, robots: int, *, console: Console, env: Mapping[str, str]
) -> list[str]:
    """Let robots patrol all rooms, own room first, and collect what they see; return their ids.

    Each robot's samples are in `folder`/<robot id>. IotFlError if a process fails or takes too
    long.
    """
    ids = list(robot_names(robots))
    with terminate_as_interrupt(), NodeProcesses(folder, env=env) as processes:
        settings = {'world': world, 'robots': robots, 'real_time_factor': 0.0}
        processes.start('simulator', ros_arguments(settings))
        for index, robot_id in enumerate(ids):
            _start_robot(processes, robot_id, index, world, folder)
        patrols = [f'{robot_id}.patrol' for robot_id in ids]
        with Progress(
            TextColumn('{task.description}'), BarColumn(), TimeElapsedColumn(), console=console
        ) as progress:
            task = progress.add_task('patrols', total=len(patrols))
            for done in processes.until_ended(*patrols, patience=_TIMEOUT):
                progress.update(task, completed=done)
        for robot_id in ids:
            processes.end(f'{robot_id}.collector')
        processes.end('simulator')
        lines = processes.log('simulator').strip().splitlines() or ['']
        console.print(lines[-1].split(': ', 1)[-1])
        for robot_id in ids:
            missing = [name for name in (OWN, OTHERS) if not (folder / robot_id / name).is_file()]
            if missing:
                log = processes.tail(f'{robot_id}.collector')
                raise IotFlError(f'{robot_id} has no {" and no ".join(missing)}:\n{log}')
    return ids


def _start_robot(
    processes: NodeProcesses, robot_id: str, index: int, world: Path, folder: Path
) -> None:
    # Own room first, then the others in turn: no two robots are in one room for long.
    route = [(index + step) % ROOMS for step in range(ROOMS)]
    parameters: dict[str, dict[str, Any]] = {
        'collector': {'world': world, 'output': folder / robot_id, 'rooms': route[:1]},
        'patrol': {'route': route, 'wait_for': LOOKING},
    }
    for node, own in parameters.items():
        arguments = ros_arguments({'use_sim_time': True, **own}, robot_id)
        processes.start(node, arguments, f'{robot_id}.{node}')


@dataclass(frozen=True)
class Learning:
    """Runs over DDS in folders of `output`. own: further settings of single robots, by id."""

    settings: Mapping[str, Any]
    own: Mapping[str, Mapping[str, Path]]
    output: Path
    console: Console
    env: Mapping[str, str]

    def alone(self) -> dict[str, float]:
        """Return the robots' accuracies after the same rounds without the others."""
        settings = {
            name: value
            for name, value in self.settings.items()
            if not name.startswith('method.') and name not in _AGGREGATORS
        }
        settings |= read_yaml(share_folder() / 'config' / 'alone.yaml')
        settings |= {'run.name': 'sim-alone', 'run.output': str(self.output / 'alone')}
        settings['mesh.count'] = len(self.own)
        summary = run_mesh('alone', settings, console=self.console, env=self.env, own=self.own)
        return dict(summary['accuracies'])

    def together(self) -> dict[str, float]:
        """Return the robots' accuracies after the last round of DS-FL; IotFlError without one."""
        folder = self.output / 'together'
        count = len(self.own)
        settings = {**self.settings, 'run.name': 'sim', 'run.robots': count}
        settings['run.output'] = str(folder)
        run_fleet('together', settings, count, console=self.console, env=self.env, own=self.own)
        rows = [row for row in read_events(folder) if row['kind'] == 'robot']
        accuracies = {row['robot']: float(row['accuracy']) for row in rows}
        missing = sorted(set(self.own) - set(accuracies))
        if missing:
            raise IotFlError(f'no update of {", ".join(missing)}: see {folder}')
        return accuracies
