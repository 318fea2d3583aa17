"""The processes of a simulated fleet with cameras: simulator, patrols and collectors."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from iot_fl_ros.core.errors import IotFlError
from iot_fl_ros.processes.nodes import NodeProcesses, parameter_arguments, terminate_as_interrupt
from iot_fl_ros.world.collection import LOOKING, OTHERS, OWN
from iot_fl_ros.world.plan import ROOMS
from iot_fl_ros.world.robot import robot_names

_POLL = 0.25
_TIMEOUT = 900.0


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
        processes.start('simulator', parameter_arguments(settings))
        for index, robot_id in enumerate(ids):
            _start_robot(processes, robot_id, index, world, folder)
        patrols = [_name('patrol', robot_id) for robot_id in ids]
        with Progress(
            TextColumn('{task.description}'), BarColumn(), TimeElapsedColumn(), console=console
        ) as progress:
            task = progress.add_task('patrols', total=len(patrols))
            for done in _until_ended(processes, patrols):
                progress.update(task, completed=done)
        for robot_id in ids:
            processes.end(_name('collector', robot_id))
        processes.end('simulator')
        console.print(_last_line(processes.log('simulator')))
        _check_files(processes, folder, ids)
    return ids


def _name(node: str, robot_id: str) -> str:
    return f'{robot_id}.{node}'


def _start_robot(
    processes: NodeProcesses, robot_id: str, index: int, world: Path, folder: Path
) -> None:
    own = ['-r', f'__ns:=/{robot_id}', '-p', 'use_sim_time:=true']
    collector = {'world': world, 'output': folder / robot_id, 'rooms': f'[{index % ROOMS}]'}
    processes.start(
        'collector', [*own, *parameter_arguments(collector)], _name('collector', robot_id)
    )
    # Own room first, then the others in turn: no two robots are in one room for long.
    route = [(index + step) % ROOMS for step in range(ROOMS)]
    patrol = parameter_arguments({'route': route, 'wait_for': LOOKING})
    processes.start('patrol', [*own, *patrol], _name('patrol', robot_id))


def _until_ended(processes: NodeProcesses, names: Sequence[str]) -> Iterator[int]:
    """Yield how many processes have ended until all have; IotFlError if one failed."""
    end = time.monotonic() + _TIMEOUT
    while any(processes.running(name) for name in names):
        processes.check()
        if time.monotonic() > end:
            raise IotFlError(f'the patrols have not ended after {_TIMEOUT:.0f} s')
        yield sum(not processes.running(name) for name in names)
        time.sleep(_POLL)
    processes.check()
    yield len(names)


def _check_files(processes: NodeProcesses, folder: Path, ids: Sequence[str]) -> None:
    for robot_id in ids:
        missing = [name for name in (OWN, OTHERS) if not (folder / robot_id / name).is_file()]
        if missing:
            log = processes.tail(_name('collector', robot_id))
            raise IotFlError(f'{robot_id} has no {" and no ".join(missing)}:\n{log}')


def _last_line(log: str) -> str:
    lines = log.strip().splitlines()
    return lines[-1].split(': ', 1)[-1] if lines else ''
