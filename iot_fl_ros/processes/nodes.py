"""Nodes as child processes on this machine: started, watched, and ended by their id.

Among them the robots of a fleet, and the lines that they print.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import yaml
from rich.console import Console
from typing_extensions import Self

import iot_fl_ros
from iot_fl_ros.core.errors import ConfigError, IotFlError
from iot_fl_ros.core.run_folder import make_folder

_END_TIMEOUT = 10.0
_POLL = 0.25
# Higher domains have ports that any program may take; lower ones are those that people set, and
# those of this package's tests.
_PRIVATE_DOMAINS = range(61, 101)


class NodeProcesses:
    """Nodes as child processes; on exit they end with SIGINT.

    folder: takes the logs. env: added to this process's. prefix: per node, a command line before
    that of the node, such as `ip netns exec NAME`.
    """

    def __init__(
        self, folder: Path, *, env: Mapping[str, str] | None = None,
        prefix: Mapping[str, Sequence[str]] | None = None,
    ) -> None:  # fmt: skip
        self._prefix = prefix or {}
        self._folder = folder
        self._env = {**os.environ, **(env or {})}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        make_folder(folder / 'log')

    def __enter__(self) -> Self:
        try:
            self.start_all()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for process in self._processes.values():
            try:
                process.wait(_END_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start_all(self) -> None:
        """Start the processes that belong together; here there are none."""

    def start(self, node: str, ros_args: Sequence[str], name: str = '') -> None:
        """Start the executable `node`; `name` is that of its log and for the other methods."""
        name = name or node
        # By path: with -m a source folder in the working directory would hide the installation.
        launcher = str(Path(iot_fl_ros.__file__).parent / 'nodes' / 'launcher.py')
        prefix = self._prefix.get(name, self._prefix.get(node, ()))
        command = [*prefix, sys.executable, launcher, node, '--ros-args', *ros_args]
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

    def until_ended(self, *names: str, patience: float = math.inf) -> Iterator[int]:
        """Yield how many of these processes have ended, again and again until all have.

        IotFlError if any process fails, or if it takes longer than `patience`, s.
        """
        end = time.monotonic() + patience
        ended = 0
        while ended < len(names):
            ended = sum(not self.running(name) for name in names)
            self.check()
            yield ended
            if ended < len(names):
                if time.monotonic() > end:
                    left = ', '.join(name for name in names if self.running(name))
                    raise IotFlError(
                        f'not ended after {patience:.0f} s: {left}; see {self._folder / "log"}'
                    )
                time.sleep(_POLL)

    def codes(self) -> dict[str, int | None]:
        """Return the exit codes; None for a process that runs."""
        return {name: process.poll() for name, process in self._processes.items()}

    def tail(self, name: str) -> str:
        """Return the last lines of a process's log."""
        return '\n'.join(self.log(name).splitlines()[-10:])

    def log(self, name: str) -> str:
        """Return what a process has printed."""
        return (self._folder / 'log' / f'{name}.log').read_text(errors='replace')


def ros_arguments(values: Mapping[str, Any], robot_id: str = '') -> list[str]:
    """Return the ROS arguments that set parameters, in a robot's namespace if one is named.

    Empty values are left out: a command line cannot give them, and they are the defaults.
    """
    arguments = ['-r', f'__ns:=/{robot_id}'] if robot_id else []
    for name, value in values.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        arguments += ['-p', f'{name}:={text}'] if text else []
    return arguments


@contextmanager
def terminate_as_interrupt() -> Iterator[None]:
    """Let SIGTERM end the fleet in order, as Ctrl-C does."""

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def private_domain(turn: int = 0) -> int:
    """Return a DDS domain made from the process id, another one in each of 40 turns."""
    return _PRIVATE_DOMAINS[(os.getpid() + turn) % len(_PRIVATE_DOMAINS)]


def private_dds_env() -> dict[str, str]:
    """Return an environment in which a fleet on this machine meets nobody else.

    A ROS_DOMAIN_ID that is set is kept; else one is made from the process id.
    """
    domain = os.environ.get('ROS_DOMAIN_ID') or str(private_domain())
    return {'ROS_DOMAIN_ID': domain, 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}


class RobotProcesses(NodeProcesses):
    """Robots that run `node`, each in a process of its own or several in one.

    settings: dotted names for all of them. folder: takes logs and params.yaml. own: further
    settings of single robots, which then have a process each. process_options: of NodeProcesses.
    """

    def __init__(
        self, node: str, settings: Mapping[str, Any], ids: Sequence[str], folder: Path, *,
        robots_per_process: int = 1, own: Mapping[str, Mapping[str, Any]] | None = None,
        **process_options: Any,
    ) -> None:  # fmt: skip
        super().__init__(folder, **process_options)
        self.ids = list(ids)
        self._node = node
        self._own = own or {}
        if self._own and robots_per_process > 1:
            raise ConfigError('robots with settings of their own need a process each')
        self._robots_per_process = robots_per_process
        params = folder / 'params.yaml'
        params.write_text(yaml.safe_dump({'/**': {'ros__parameters': dict(settings)}}))
        self._common = ['--params-file', str(params)]

    def start_all(self) -> None:
        """Start all robots."""
        step = self._robots_per_process
        for first in range(0, len(self.ids), step):
            self.start_robots(*self.ids[first : first + step])

    def start_robots(self, *ids: str) -> None:
        """Start (again) the process of these robots; it is called like the first of them."""
        first, alone = ids[0], len(ids) == 1
        own = {
            'robot.ids': '' if alone else f'[{",".join(ids)}]',
            'data.partition_index': self.ids.index(first),
            'data.partition_count': len(self.ids),
            **self._own.get(first, {}),
        }
        arguments = ros_arguments(own, first if alone else '')
        self.start(self._node, [*self._common, *arguments], first)


class NewLines:
    """Prints the lines that it has not printed yet, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._printed = 0

    def __call__(self, lines: Sequence[str]) -> None:
        """Print what is new; lines: all since the start."""
        for line in lines[self._printed :]:
            self._console.print(line)
        self._printed = max(self._printed, len(lines))
        sys.stdout.flush()
