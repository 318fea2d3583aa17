"""Tables for a terminal, and numbers as text; `-` stands for what is not known."""

from __future__ import annotations

import copy
import math
import sys
import textwrap
from collections.abc import Collection, Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markup import escape
from rich.table import Table
from rich.text import Text

# Of a table that goes to a file or a pipe.
_WIDTH = 120
# Of a column of words, at least.
_WORDS = 12


class FittingTable(Table):
    """A table that is never cut: where it is too wide it loses its lines, then its rows."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the table, without lines if need be, or blocks of `title  cell`."""
        least, count = self._least_width(), len(self.columns)
        if least + 3 * count + 1 > options.max_width:
            if least + count > options.max_width:
                yield from self._blocks(options.max_width)
                return
            narrow = copy.copy(self)
            narrow.box, narrow.padding, narrow.show_edge = SIMPLE_HEAD, 0, False
            yield from Table.__rich_console__(narrow, console, options)
            return
        yield from super().__rich_console__(console, options)

    def _least_width(self) -> int:
        """Return the width of all cells without what lies between them."""
        widths = [
            max(cell_len(line) for text in (column.header, *column.cells)
                for line in str(text).split('\n'))
            for column in self.columns
        ]  # fmt: skip
        least = (
            width if column.no_wrap else min(width, _WORDS)
            for width, column in zip(widths, self.columns, strict=True)
        )
        return sum(least)

    def _blocks(self, width: int) -> RenderResult:
        if self.title:
            yield Text(str(self.title), style='italic')
        titles = [' '.join(str(column.header).split()) for column in self.columns]
        if not self.row_count:
            yield Text(f'no rows of {", ".join(titles)}')
        for cells in zip(*(column.cells for column in self.columns), strict=True):
            block = Table.grid(padding=(0, 2))
            whole = max(map(len, titles)) + _WORDS <= width
            block.add_column(no_wrap=whole, overflow='fold')
            block.add_column(overflow='fold')
            for title, cell in zip(titles, cells, strict=True):
                block.add_row(title, cell)
            yield block
            yield Text()


def table_of(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], left: Collection[str] = ()
) -> Table:
    """Return a table; columns are aligned right and whole, but for those of words in `left`."""
    table = FittingTable(title=title or None)
    lines = list(rows)
    for number, column in enumerate(columns):
        if column in left:
            table.add_column(column, overflow='fold')
            continue
        cells = max((cell_len(row[number]) for row in lines), default=0)
        words = max(map(len, column.split()), default=1)
        header = '\n'.join(textwrap.wrap(column, max(cells, words)))
        table.add_column(header, justify='right', no_wrap=True)
    for row in lines:
        table.add_row(*map(escape, row))  # names may have brackets
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
