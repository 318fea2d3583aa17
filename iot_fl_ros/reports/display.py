"""The live display of a run, made from its events.jsonl alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from iot_fl_ros.core.run_files import read_events

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


def summary_table(methods: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return the table that compares finished runs; all values come from their summaries."""
    table = Table(title='Best accuracy, and bytes that one robot sent and received')
    targets = sorted({t for s in methods.values() for t in s['bytes_to']})
    for column in ('method', 'best', 'robots', 'a round'):
        table.add_column(column, justify='right')
    for target in targets:
        table.add_column(f'to {float(target):.0%}', justify='right')
    table.add_column('s', justify='right')
    for name, summary in methods.items():
        table.add_row(
            name,
            _percent(summary['accuracy']),
            _percent(summary['robot_accuracy']),
            _size(summary['bytes_per_robot_round']),
            *(_size(summary['bytes_to'][target]) for target in targets),
            f'{summary["seconds"]:.0f}',
        )
    return table


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
    table = Table()
    for column in ('round', 'accuracy', "robots' mean", 'took part', 'late', 'bytes so far', 's'):
        table.add_column(column, justify='right')
    for row in rounds:
        table.add_row(
            str(row['round']),
            _percent(row['accuracy']),
            _percent(row['robot_accuracy']),
            str(len(row['participants'])),
            str(len(row['late'])),
            _size(row['bytes_total']),
            f'{row["seconds"]:.1f}',
        )
    return table


def _percent(value: float | None) -> str:
    return '-' if value is None or math.isnan(value) else f'{value:.1%}'


def _size(value: float | None) -> str:
    if value is None:
        return '-'
    for unit in ('B', 'kB', 'MB'):
        if value < 1000:
            return f'{value:.3g} {unit}'
        value /= 1000
    return f'{value:.3g} GB'
