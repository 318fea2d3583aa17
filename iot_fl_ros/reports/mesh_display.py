"""Tables about meshes; all values come from their summaries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table


def mesh_table(summaries: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return the table that compares methods on one mesh."""
    table = Table(title='A mesh without a server; bytes and joules are those of one robot')
    for column in ('method', 'mean accuracy', 'worst robot', 'kB a round', 'J', 'J above idle'):
        table.add_column(column, justify='right')
    for name, summary in summaries.items():
        robots = summary['robots']
        table.add_row(
            name,
            _percent(summary['final_accuracy']),
            _percent(min(summary['accuracies'].values(), default=None)),
            f'{summary["bytes_per_robot_round"] / 1000:,.1f}',
            f'{summary["joules"] / robots:,.0f}',
            f'{summary["joules_active"] / robots:,.0f}',
        )
    return table


def _percent(value: float | None) -> str:
    return '-' if value is None or value != value else f'{value:.1%}'
