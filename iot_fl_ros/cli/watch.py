"""Starting a fleet's processes and watching them to the end of the run."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.live import Live

from iot_fl_ros.cli.display import run_view
from iot_fl_ros.cli.processes import FleetProcesses
from iot_fl_ros.cli.recorded_fleet import RecordedFleet
from iot_fl_ros.core.errors import IotFlError
from iot_fl_ros.learning.outputs import read_events

_POLL = 0.25


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


def read_summary(folder: Path) -> dict[str, Any]:
    """Return summary.json of a run; IotFlError if the run has not ended."""
    path = folder / 'summary.json'
    if not path.is_file():
        raise IotFlError(f'{path} is missing: the run has not ended, see {folder / "log"}')
    return dict(json.loads(path.read_text()))


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


def private_dds_env() -> dict[str, str]:
    """Return an environment in which a fleet on this machine meets nobody else.

    A ROS_DOMAIN_ID that is set is kept; else one is made from the process id.
    """
    domain = os.environ.get('ROS_DOMAIN_ID') or str(1 + os.getpid() % 100)
    return {'ROS_DOMAIN_ID': domain, 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}
