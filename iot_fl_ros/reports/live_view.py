"""A run as it goes on, from its events.jsonl alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from iot_fl_ros.core.run_files import read_events
from iot_fl_ros.reports.tables import table_of
from iot_fl_ros.reports.texts import percent, size

_LAST_ROUNDS = 8


def run_view(title: str, folder: Path, rounds: int) -> Group:
    """Return a picture of the run in `folder`: progress, who takes part, the last rounds."""
    rows = read_events(folder)
    done = [row for row in rows if row['kind'] == 'round']
    bar = Table.grid()
    bar.add_row(ProgressBar(total=rounds, completed=len(done), width=40))
    head = Text(f'{title}: round {len(done)} of {rounds}', style='bold')
    robots = Text('robots: done') if len(done) == rounds else _participants(rows)
    return Group(head, bar, robots, _rounds_table(done[-_LAST_ROUNDS:]))


def _participants(rows: Iterable[Mapping[str, Any]]) -> Text:
    """Return one mark for each robot of the open round: update in, or still at work."""
    asked: list[str] = []
    arrived: set[str] = set()
    gone: set[str] = set()
    for row in rows:
        if row['kind'] == 'open':
            asked, arrived = row['participants'], set()
            gone -= set(asked)
        elif row['kind'] == 'update':
            arrived.add(row['robot'])
        elif row['kind'] == 'gone':
            gone.add(row['robot'])
    text = Text('robots: ')
    for robot in asked:
        mark, style = ('in', 'green') if robot in arrived else ('...', 'yellow')
        if robot in gone:
            mark, style = 'gone', 'red'
        text.append(f'{robot} {mark}  ', style)
    return text if asked else Text('robots: waiting for them', style='yellow')


def _rounds_table(rounds: Sequence[Mapping[str, Any]]) -> Table:
    columns = ['round', 'accuracy', "robots' mean", 'took part', 'late', 'bytes so far', 's']
    rows = [
        [
            str(row['round']), percent(row['accuracy']), percent(row['robot_accuracy']),
            str(len(row['participants'])), str(len(row['late'])), size(row['bytes_total']),
            f'{row["seconds"]:.1f}',
        ]
        for row in rounds
    ]  # fmt: skip
    return table_of('', columns, rows)
