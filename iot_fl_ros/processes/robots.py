"""The robots of a fleet as processes, and the lines that they print."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from iot_fl_ros.processes.nodes import NodeProcesses, ros_arguments


class RobotProcesses(NodeProcesses):
    """Robots that run `node`, each in a process of its own or several in one.

    settings: dotted names for all of them. folder: takes logs and params.yaml. own: further
    settings of single robots, which then have a process each.
    """

    def __init__(
        self,
        node: str,
        settings: Mapping[str, Any],
        ids: Sequence[str],
        folder: Path,
        *,
        robots_per_process: int = 1,
        env: Mapping[str, str] | None = None,
        prefix: Mapping[str, Sequence[str]] | None = None,
        own: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__(folder, env=env, prefix=prefix)
        self.ids = list(ids)
        self._node = node
        self._own = own or {}
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
