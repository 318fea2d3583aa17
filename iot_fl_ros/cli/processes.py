"""The processes of a fleet on this machine: started, watched, and ended by their id."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import yaml

import iot_fl_ros
from iot_fl_ros.core.errors import IotFlError
from iot_fl_ros.fleet.simulation import robot_ids
from iot_fl_ros.learning.settings import dotted_paths

_END_TIMEOUT = 10.0
_Processes = TypeVar('_Processes', bound='NodeProcesses')


class NodeProcesses:
    """Nodes as child processes; on exit they end with SIGINT.

    folder: takes the logs. env: added to this process's. prefix: per node, a command line before
    that of the node, such as `ip netns exec NAME`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        env: Mapping[str, str] | None = None,
        prefix: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._prefix = prefix or {}
        self._folder = folder
        self._env = {**os.environ, **(env or {})}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        (folder / 'log').mkdir(parents=True, exist_ok=True)

    def __enter__(self: _Processes) -> _Processes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for process in self._processes.values():
            try:
                process.wait(_END_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start(self, node: str, ros_args: Sequence[str], name: str = '') -> None:
        """Start the executable `node`; `name` is that of its log and for the other methods."""
        name = name or node
        # By path: with -m a source folder in the working directory would hide the installation.
        script = str(Path(iot_fl_ros.__file__).parent / 'nodes' / f'{node}.py')
        prefix = self._prefix.get(name, self._prefix.get(node, ()))
        command = [*prefix, sys.executable, script, '--ros-args', *ros_args]
        with (self._folder / 'log' / f'{name}.log').open('ab') as log:
            # A session of its own: Ctrl-C reaches the parent alone, which ends them in order.
            self._processes[name] = subprocess.Popen(
                command, stdout=log, stderr=log, env=self._env, start_new_session=True
            )

    def kill(self, name: str) -> None:
        """Kill a process with SIGKILL, as a crash would."""
        self._processes[name].kill()
        self._processes[name].wait()

    def end(self, name: str) -> None:
        """End a process in good order: with SIGINT, and wait until it has ended."""
        process = self._processes[name]
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(_END_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise IotFlError(f'{name} has not ended {_END_TIMEOUT:.0f} s after SIGINT') from None

    def pid(self, name: str) -> int:
        """Return the process id of `aggregator` or of the first robot of a process."""
        return self._processes[name].pid

    def check(self) -> None:
        """Raise IotFlError if a process ended with an error."""
        for name, process in self._processes.items():
            if process.poll() not in (None, 0):
                raise IotFlError(
                    f'{name} ended with code {process.returncode}:\n{self.tail(name)}'
                )

    def running(self, name: str) -> bool:
        """Return whether a process is running."""
        return self._processes[name].poll() is None

    def codes(self) -> dict[str, int | None]:
        """Return the exit codes; None for a process that runs."""
        return {name: process.poll() for name, process in self._processes.items()}

    def tail(self, name: str) -> str:
        """Return the last lines of a process's log."""
        return '\n'.join(self.log(name).splitlines()[-10:])

    def log(self, name: str) -> str:
        """Return what a process has printed."""
        return (self._folder / 'log' / f'{name}.log').read_text(errors='replace')


class FleetProcesses(NodeProcesses):
    """An aggregator and learners.

    settings: dotted names for all of them. folder: takes params.yaml too. own: further settings
    of single robots, which then have a process each.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        robots: int,
        folder: Path,
        *,
        robots_per_process: int = 1,
        env: Mapping[str, str] | None = None,
        prefix: Mapping[str, Sequence[str]] | None = None,
        own: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__(folder, env=env, prefix=prefix)
        self._own = own or {}
        self._params = folder / 'params.yaml'
        # What this file itself names, its robots may load.
        named = (str(settings.get(name, '')) for name in ('method.name', 'model.name'))
        trusted = {'robot.trusted': dotted_paths(*named) or ['']}
        tree = {'/**': {'ros__parameters': {**trusted, **settings}}}
        self._params.write_text(yaml.safe_dump(tree))
        ids = robot_ids(robots)
        self._groups = [
            ids[i : i + robots_per_process] for i in range(0, robots, robots_per_process)
        ]
        self._robots = robots

    def __enter__(self) -> FleetProcesses:
        index = 0
        for group in self._groups:
            self.start_learner(group, index)
            index += len(group)
        self.start_aggregator()
        return self

    def start_aggregator(self) -> None:
        """Start the aggregator (again)."""
        self.start('aggregator', ['--params-file', str(self._params)])

    def start_learner(self, group: list[str], index: int) -> None:
        """Start (again) the process of the robots in `group`; index: part of the first one."""
        partition = ['-p', f'data.partition_index:={index}']
        partition += ['-p', f'data.partition_count:={self._robots}']
        if len(group) == 1:
            identity = ['-r', f'__ns:=/{group[0]}']
        else:
            identity = ['-p', f'robot.ids:=[{",".join(group)}]']
        common = ['--params-file', str(self._params)]
        own = parameter_arguments(self._own.get(group[0], {}))
        self.start('learner', [*common, *identity, *partition, *own], group[0])


def parameter_arguments(values: Mapping[str, Any]) -> list[str]:
    """Return the ROS arguments that set parameters."""
    return [part for name, value in values.items() for part in ('-p', f'{name}:={value}')]
