"""Tables that compare runs, all values from their summaries; and the table of a replay."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rich.table import Table

from iot_fl_ros.reports.tables import percent, size, table_of

if TYPE_CHECKING:
    from iot_fl_ros.bag.what_if import Difference

Summaries = Mapping[str, Mapping[str, Any]]
_COLUMNS = (
    'round', 'left out', 'same', 'classes changed', 'distance', 'accuracy', 'then', 'note',
)  # fmt: skip


def summary_table(methods: Summaries) -> Table:
    """Return the table of runs with an aggregator."""
    targets = sorted({target for one in methods.values() for target in one['bytes_to']})
    columns = ['method', 'best', 'robots', 'a round']
    columns += [*(f'to {float(target):.0%}' for target in targets), 's']
    rows = [
        [
            name, percent(one['accuracy']), percent(one['robot_accuracy']),
            size(one['bytes_per_robot_round']),
            *(size(one['bytes_to'][target]) for target in targets), f'{one["seconds"]:.0f}',
        ]
        for name, one in methods.items()
    ]  # fmt: skip
    return table_of('Best accuracy, and bytes that one robot sent and received', columns, rows)


def mesh_table(methods: Summaries) -> Table:
    """Return the table of methods on one mesh."""
    columns = ['method', 'mean accuracy', 'worst robot', 'kB a round', 'J', 'J above idle']
    rows = [
        [
            name, percent(one['final_accuracy']),
            percent(min(one['accuracies'].values(), default=None)),
            f'{one["bytes_per_robot_round"] / 1000:,.1f}',
            f'{one["joules"] / one["robots"]:,.0f}',
            f'{one["joules_active"] / one["robots"]:,.0f}',
        ]
        for name, one in methods.items()
    ]  # fmt: skip
    title = 'A mesh without a server; bytes and joules are those of one robot'
    return table_of(title, columns, rows)


def tram_table(runs: Summaries) -> Table:
    """Return the table of Tram-FL runs."""
    columns = ['', 'accuracy', 'batches', 'merged', 'MB', 's', 'training', 'J', 'J above idle']
    rows = [
        [
            title, percent(one['accuracy']), f'{one["updates"]:,}', f'{one["merged"]:,}',
            f'{one["bytes"] / 1e6:,.0f}', f'{one["seconds"]:,.0f}', f'{_busy(one):.1%}',
            f'{sum(one["joules"].values()):,.0f}', f'{one["joules_active"]:,.0f}',
        ]
        for title, one in runs.items()
    ]  # fmt: skip
    return table_of('Tram-FL; bytes and joules of all robots together', columns, rows)


def world_table(
    samples: Mapping[str, Mapping[str, Any]], results: Mapping[str, Mapping[str, float]]
) -> Table:
    """Return the table of robots that learned what they saw.

    samples: by robot, its `own` samples of each kind and how many of the `others`. results: by
    what was done, the robots' accuracies.
    """
    own = 'samples of the own room'
    rows = [
        [
            robot_id, ', '.join(f'{count} {kind}' for kind, count in one['own'].items()),
            str(one['others']), *(percent(shares[robot_id]) for shares in results.values()),
        ]
        for robot_id, one in samples.items()
    ]  # fmt: skip
    means = (sum(shares.values()) / len(shares) for shares in results.values())
    rows.append(['mean', '', '', *map(percent, means)])
    title = 'Accuracy on what each robot saw of the rooms of the others'
    return table_of(title, ['robot', own, 'of the others', *results], rows, left=[own])


def _busy(run: Mapping[str, Any]) -> float:
    """Return the share of all robots' time that went into training: 1/M if one of M trains."""
    return run['train_seconds'] / max(1e-9, run['seconds'] * run['robots'])


def differences_table(differences: Iterable[Difference]) -> Table:
    """Return the table of what would have come out of each round; unknown cells are empty."""
    rows = [
        [
            str(one.number), ' '.join(one.left_out), 'yes' if one.same else 'no',
            _number(one.classes_changed, '.2%'), _number(one.distance, '.5f'),
            _number(one.accuracy, '.1%'), _number(one.accuracy_then, '.1%'), one.note,
        ]
        for one in differences
    ]  # fmt: skip
    title = 'What would have come out of each round'
    return table_of(title, _COLUMNS, rows, left=('left out', 'note'))


def _number(value: float, form: str) -> str:
    return '' if math.isnan(value) else format(value, form)
