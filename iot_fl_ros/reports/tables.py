"""Tables for a terminal, and numbers as text; `-` stands for what is not known."""

from __future__ import annotations

import math
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


def percent(value: float | None) -> str:
    """Return a share, 0..1, in percent."""
    return '-' if value is None or math.isnan(value) else f'{value:.1%}'


def size(value: float | None) -> str:
    """Return a number of bytes with its unit."""
    if value is None:
        return '-'
    for unit in ('B', 'kB', 'MB'):
        if value < 1000:
            return f'{value:.3g} {unit}'
        value /= 1000
    return f'{value:.3g} GB'


def plus_minus(mean: float, half: float, digits: int = 1) -> str:
    """Return a mean with half the width of its interval, which NaN leaves out."""
    text = f'{mean:,.{digits}f}'
    return text if math.isnan(half) else f'{text} ± {half:,.{digits}f}'
