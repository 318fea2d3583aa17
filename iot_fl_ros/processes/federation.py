"""The processes of a run with an aggregator on this machine."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from iot_fl_ros.core.errors import IotFlError
from iot_fl_ros.core.names import robot_ids
from iot_fl_ros.core.run_files import NewRows, read_summary
from iot_fl_ros.core.run_folder import refuse_taken
from iot_fl_ros.core.store import FolderStore
from iot_fl_ros.federation.settings import FleetSettings, default_config, dotted_paths, resolved
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
    kept = _kept_round(folder, settings)
    new = NewRows(folder, kept)
    if record is None:
        fleet = FleetProcesses(settings, robots, folder, **options)
    else:
        fleet = RecordedFleet(settings, robots, folder, record, **options)
    console = console or Console()
    if kept:
        over = 'is over already, after' if kept >= rounds else 'goes on after'
        console.print(f'{title}: the run in {folder} {over} round {kept} of {rounds}')
    with terminate_as_interrupt(), fleet:
        ended = _until_over(fleet, new, robots)
        if console.is_terminal:
            with Live(console=console, refresh_per_second=4) as live:
                for _ in ended:
                    live.update(run_view(title, new.with_kept(), rounds))
        else:
            print_new = NewLines(console)
            for _ in ended:
                print_new(_lines(title, new.read(), rounds, kept))
    return read_summary(folder)


def _kept_round(folder: Path, settings: Mapping[str, Any]) -> int:
    """Return the round that the run goes on after, 0 = it begins.

    IotFlError if another process, or another run, has the folder; nothing in it changes here.
    """
    fleet = FleetSettings.from_flat(settings)
    config, resume = (
        resolved(fleet.aggregator, fleet.method_name, fleet.method), fleet.aggregator.run.resume
    )  # fmt: skip
    refuse_taken(folder, config, default_config(fleet.method), resume)
    if not resume:
        return 0
    checkpoint = FolderStore(folder / 'checkpoints').read()
    return int(checkpoint[0]['round']) if checkpoint else 0


def _until_over(fleet: FleetProcesses, new: NewRows, robots: int) -> Iterator[int]:
    """Yield until the aggregator has ended; IotFlError if it waits for robots in vain."""
    for ended in fleet.until_ended('aggregator'):
        _check_somebody_takes_part(new.read(), robots)
        yield ended


def _lines(title: str, rows: Iterable[Mapping[str, Any]], rounds: int, kept: int) -> list[str]:
    """Return one line for each thing that happened since a run began or went on."""
    lines = (
        _line(title, row, rounds) for row in rows if row['kind'] != 'round' or row['round'] > kept
    )
    return [line for line in lines if line]


def _line(title: str, row: Mapping[str, Any], rounds: int) -> str:
    match row['kind']:
        case 'joined':
            return f'{title}: {row["robot"]} joined'
        case 'gone':
            return f'{title}: {row["robot"]} has gone'
        case 'refused':
            return f'{title}: {row["robot"]} does not take part: {row["reason"]}'
        case 'failed':
            return f'{title}: {row["robot"]}, round {row["round"]}: {row["reason"]}'
        case 'round':
            return (
                f'{title} round {row["round"]}/{rounds}: accuracy {row["accuracy"]:.3f}, '
                f'robots {row["robot_accuracy"]:.3f}, {len(row["participants"])} took part, '
                f'{row["bytes_total"]:,} bytes so far, {row["seconds"]:.1f} s'
            )
    return ''


def _check_somebody_takes_part(rows: Iterable[Mapping[str, Any]], robots: int) -> None:
    """Raise IotFlError if every robot of the run is refused: it would wait for ever."""
    reasons: dict[str, str] = {}
    for row in rows:
        if row['kind'] == 'refused':
            reasons[row['robot']] = row['reason']
        elif row['kind'] in ('joined', 'update'):
            reasons.pop(row['robot'], None)
    if len(reasons) >= robots:
        robot_id, reason = min(reasons.items())
        raise IotFlError(f'no robot takes part: {robot_id}: {reason}')
