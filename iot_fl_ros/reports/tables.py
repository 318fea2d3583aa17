"""Tables for a terminal."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Sequence

from rich.console import Console
from rich.table import Table

# Of a table that goes to a file or a pipe.
_WIDTH = 120


def table_of(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], left: Collection[str] = ()
) -> Table:
    """Return a table; columns are aligned right, but for those in `left`."""
    table = Table(title=title or None)
    for column in columns:
        table.add_column(column, justify='left' if column in left else 'right')
    for row in rows:
        table.add_row(*row)
    return table


def wide_console() -> Console:
    """Return a console whose tables are not cut where the output is no terminal."""
    return Console(width=None if sys.stdout.isatty() else _WIDTH)
