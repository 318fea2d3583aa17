"""The processes of a Tram-FL fleet on this machine: started, watched, read from their files."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from iot_fl_ros.core.run_files import read_events, write_json
from iot_fl_ros.processes.nodes import NodeProcesses, terminate_as_interrupt
from iot_fl_ros.token.settings import TramNodeSettings

_POLL = 0.25
Rows = list[dict[str, Any]]


class TramProcesses(NodeProcesses):
    """Robots, each in a process of its own.

    settings: dotted names for all of them, with run.output, which takes logs and params.yaml too.
    prefix: per robot, a command line before that of its node.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        *,
        env: Mapping[str, str] | None = None,
        prefix: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        folder = Path(settings['run.output'])
        super().__init__(folder, env=env, prefix=prefix)
        self.ids = TramNodeSettings.from_flat(settings).tram.ids
        self._params = folder / 'params.yaml'
        tree = {'/**': {'ros__parameters': dict(settings)}}
        self._params.write_text(yaml.safe_dump(tree))

    def __enter__(self) -> TramProcesses:
        for robot_id in self.ids:
            self.start_robot(robot_id)
        return self

    def start_robot(self, robot_id: str) -> None:
        """Start a robot (again)."""
        index = self.ids.index(robot_id)
        arguments = ['--params-file', str(self._params), '-r', f'__ns:=/{robot_id}']
        arguments += ['-p', f'data.partition_index:={index}']
        arguments += ['-p', f'data.partition_count:={len(self.ids)}']
        self.start('tram', arguments, robot_id)


def run_tram(
    title: str, settings: Mapping[str, Any], *, console: Console, env: Mapping[str, str]
) -> Rows:
    """Run a fleet in processes over DDS; return the rows of all robots, oldest first.

    settings: dotted names, with run.output. IotFlError if a process fails.
    """
    settings = {**settings, 'node.exit_when_finished': True}
    folder = Path(settings['run.output'])
    with terminate_as_interrupt(), TramProcesses(settings, env=env) as fleet:
        printed = 0
        running = True
        while running:
            running = any(fleet.running(robot_id) for robot_id in fleet.ids)
            fleet.check()
            printed = _print_tests(console, title, tram_rows(folder, fleet.ids), printed)
            time.sleep(_POLL)
    return tram_rows(folder, fleet.ids)


def tram_rows(folder: Path, ids: Sequence[str]) -> Rows:
    """Return the rows of all robots, read from their files, oldest first."""
    rows = [row for robot_id in ids for row in read_events(folder / robot_id)]
    return sorted(rows, key=lambda row: row['time'])


def summarize_tram(rows: Rows, folder: Path) -> dict[str, Any]:
    """Return the summary of a run from its rows, and write it into `folder`."""
    visits = [row for row in rows if row['kind'] == 'visit']
    totals = [row for row in rows if row['kind'] == 'totals']
    tested = [row['accuracy'] for row in visits if not math.isnan(row['accuracy'])]
    joules = {name: sum(row['joules'][name] for row in totals) for name in _JOULES}
    summary = {
        'accuracy': max(tested, default=None),
        'final_accuracy': tested[-1] if tested else None,
        'updates': sum(row['batches'] for row in visits),
        'visits': len(visits),
        'hops': sum(row['hop'] for row in visits),
        'merged': sum(row['kind'] == 'merged' for row in rows),
        'robots': len(totals),
        'bytes': sum(row['bytes_sent'] + row['bytes_received'] for row in totals),
        'train_seconds': sum(row['train_seconds'] for row in totals),
        'seconds': rows[-1]['time'] - rows[0]['time'] if rows else 0.0,
        'joules': joules,
        'joules_active': sum(value for name, value in joules.items() if name != 'idle'),
    }
    write_json(folder / 'summary.json', summary)
    return summary


_JOULES = ('idle', 'compute', 'transmit', 'receive')


def _print_tests(console: Console, title: str, rows: Rows, printed: int) -> int:
    """Print one line for each test of a model since."""
    tests = [r for r in rows if r['kind'] == 'visit' and not math.isnan(r['accuracy'])]
    for row in tests[printed:]:
        console.print(
            f'{title}, token {row["token"]} at {row["robot"]}: {row["updates"]} mini-batches, '
            f'cycle {row["cycle"]}, accuracy {row["accuracy"]:.3f}'
        )
    return max(printed, len(tests))
