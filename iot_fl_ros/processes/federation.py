"""The processes of a run with an aggregator on this machine."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.live import Live

from iot_fl_ros.core.errors import IotFlError
from iot_fl_ros.core.names import robot_ids
from iot_fl_ros.core.run_files import read_events, read_summary
from iot_fl_ros.federation.settings import dotted_paths
from iot_fl_ros.processes.nodes import NodeProcesses, parameter_arguments, terminate_as_interrupt
from iot_fl_ros.reports.display import run_view

_POLL = 0.25
_RECORDER = 'recorder'
_PATIENCE = 120.0
# Participants of DDS make themselves known every 3 s.
_SETTLE = 4.0


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


class RecordedFleet(FleetProcesses):
    """Starts recorder and robots, and the aggregator when the recorder hears all robots.

    What a robot sends before DDS has matched it with the recorder is in no bag, and a first round
    may be over by then.
    """

    def __init__(
        self, settings: Mapping[str, Any], robots: int, folder: Path, bag: Path, **options: Any
    ) -> None:
        super().__init__({'run.settle': _SETTLE, **settings}, robots, folder, **options)
        self._bag = bag
        self._namespace = str(settings.get('node.fleet_namespace', '/fleet')).rstrip('/')

    def start_aggregator(self) -> None:
        """Start the aggregator once the recorder hears every robot."""
        self._wait()
        super().start_aggregator()

    def __enter__(self) -> RecordedFleet:
        if self._bag.exists():
            raise IotFlError(f'--record {self._bag} is there already: choose another name')
        values = (f'bag:={self._bag.absolute()}', 'fleet:=true',
                  f'fleet_namespace:={self._namespace}')  # fmt: skip
        self.start(_RECORDER, [part for value in values for part in ('-p', value)])
        try:
            super().__enter__()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _wait(self) -> None:
        end = time.monotonic() + _PATIENCE
        pattern = re.compile(
            rf'recording {re.escape(self._namespace)}/updates of (\d+) publishers'
        )
        heard = 0
        while heard < self._robots:
            self.check()
            heard = max((int(n) for n in pattern.findall(self.log(_RECORDER))), default=0)
            if time.monotonic() > end:
                raise IotFlError(
                    f'the recorder hears {heard} of {self._robots} robots:\n{self.tail(_RECORDER)}'
                )
            time.sleep(0.1)


def run_fleet(
    title: str,
    settings: Mapping[str, Any],
    robots: int,
    *,
    robots_per_process: int = 1,
    console: Console | None = None,
    env: Mapping[str, str] | None = None,
    own: Mapping[str, Mapping[str, Any]] | None = None,
    record: Path | None = None,
) -> dict[str, Any]:
    """Run a federated run in processes over DDS; return its summary.

    settings: dotted names, with run.output and run.rounds. own: further ones of single robots.
    record: bag for all messages. IotFlError if a process fails.
    """
    folder = Path(settings['run.output'])
    rounds = settings['run.rounds']
    # The aggregator's end is the end: learners are asked to go when it has gone.
    settings = {**settings, 'node.exit_when_finished': True}
    (folder / 'summary.json').unlink(missing_ok=True)
    options: dict[str, Any] = {
        'robots_per_process': robots_per_process, 'env': env, 'own': own,
    }  # fmt: skip
    if record is None:
        fleet = FleetProcesses(settings, robots, folder, **options)
    else:
        fleet = RecordedFleet(settings, robots, folder, record, **options)
    console = console or Console()
    with terminate_as_interrupt(), fleet:
        if console.is_terminal:
            with Live(console=console, refresh_per_second=4) as live:
                for _ in _until_end(fleet):
                    live.update(run_view(title, folder, rounds))
                live.update(run_view(title, folder, rounds))
        else:
            printed = 0
            for _ in _until_end(fleet):
                printed = _print_new_rounds(console, title, folder, rounds, printed)
            _print_new_rounds(console, title, folder, rounds, printed)
    return read_summary(folder)


def _until_end(fleet: FleetProcesses) -> Iterator[None]:
    """Yield until the aggregator has ended; raise if any process failed."""
    while fleet.running('aggregator'):
        yield
        fleet.check()
        time.sleep(_POLL)
    fleet.check()


def _print_new_rounds(
    console: Console, title: str, folder: Path, rounds: int, printed: int
) -> int:
    """Print one line for each round that ended since; for logs and pipes."""
    done = [row for row in read_events(folder) if row['kind'] == 'round']
    for row in done[printed:]:
        console.print(
            f'{title} round {row["round"]}/{rounds}: accuracy {row["accuracy"]:.3f}, '
            f'robots {row["robot_accuracy"]:.3f}, {len(row["participants"])} took part, '
            f'{row["bytes_total"]:,} bytes so far, {row["seconds"]:.1f} s'
        )
    sys.stdout.flush()
    return len(done)
