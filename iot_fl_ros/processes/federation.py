"""The processes of a run with an aggregator on this machine."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from iot_fl_ros.core.errors import IotFlError
from iot_fl_ros.core.names import robot_ids
from iot_fl_ros.core.run_files import read_events, read_summary
from iot_fl_ros.federation.settings import dotted_paths
from iot_fl_ros.processes.nodes import (
    NewLines,
    RobotProcesses,
    ros_arguments,
    terminate_as_interrupt,
)
from iot_fl_ros.reports.progress import run_view

_RECORDER = 'recorder'
_PATIENCE = 120.0
# Participants of DDS make themselves known every 3 s.
_SETTLE = 4.0


class FleetProcesses(RobotProcesses):
    """An aggregator and learners. options: of RobotProcesses."""

    def __init__(
        self, settings: Mapping[str, Any], robots: int, folder: Path, **options: Any
    ) -> None:
        # The robots may load what this file itself names.
        named = (str(settings.get(name, '')) for name in ('method.name', 'model.name'))
        trusted = {'robot.trusted': dotted_paths(*named) or ['']}
        super().__init__('learner', {**trusted, **settings}, robot_ids(robots), folder, **options)

    def start_all(self) -> None:
        """Start the robots, then the aggregator."""
        super().start_all()
        self.start_aggregator()

    def start_aggregator(self) -> None:
        """Start the aggregator (again)."""
        self.start('aggregator', self._common)


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

    def start_all(self) -> None:
        """Start the recorder, then the fleet."""
        if self._bag.exists():
            raise IotFlError(f'--record {self._bag} is there already: choose another name')
        values = {'bag': self._bag.absolute(), 'fleet': True, 'fleet_namespace': self._namespace}
        self.start(_RECORDER, ros_arguments(values))
        super().start_all()

    def start_aggregator(self) -> None:
        """Start the aggregator once the recorder hears every robot."""
        end = time.monotonic() + _PATIENCE
        topic = re.escape(f'{self._namespace}/updates')
        pattern = re.compile(rf'recording {topic} of (\d+) publishers')
        heard = 0
        while heard < len(self.ids):
            self.check()
            heard = max((int(n) for n in pattern.findall(self.log(_RECORDER))), default=0)
            if time.monotonic() > end:
                text = f'the recorder hears {heard} of {len(self.ids)} robots'
                raise IotFlError(f'{text}:\n{self.tail(_RECORDER)}')
            time.sleep(0.1)
        super().start_aggregator()


def run_fleet(
    title: str, settings: Mapping[str, Any], robots: int, *, console: Console | None = None,
    record: Path | None = None, **options: Any,
) -> dict[str, Any]:  # fmt: skip
    """Run a federated run in processes over DDS; return its summary.

    settings: dotted names, with run.output and run.rounds. record: bag for all messages. options:
    of RobotProcesses. IotFlError if a process fails.
    """
    folder = Path(settings['run.output'])
    rounds = settings['run.rounds']
    # The aggregator's end is the end: learners are asked to go when it has gone.
    settings = {**settings, 'node.exit_when_finished': True}
    (folder / 'summary.json').unlink(missing_ok=True)
    if record is None:
        fleet = FleetProcesses(settings, robots, folder, **options)
    else:
        fleet = RecordedFleet(settings, robots, folder, record, **options)
    console = console or Console()
    with terminate_as_interrupt(), fleet:
        ended = fleet.until_ended('aggregator')
        if console.is_terminal:
            with Live(console=console, refresh_per_second=4) as live:
                for _ in ended:
                    live.update(run_view(title, folder, rounds))
        else:
            print_new = NewLines(console)
            for _ in ended:
                print_new(_round_lines(title, folder, rounds))
    return read_summary(folder)


def _round_lines(title: str, folder: Path, rounds: int) -> list[str]:
    """Return one line for each round that has ended."""
    return [
        f'{title} round {row["round"]}/{rounds}: accuracy {row["accuracy"]:.3f}, '
        f'robots {row["robot_accuracy"]:.3f}, {len(row["participants"])} took part, '
        f'{row["bytes_total"]:,} bytes so far, {row["seconds"]:.1f} s'
        for row in read_events(folder)
        if row['kind'] == 'round'
    ]
