"""Tables of the generated pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    return [_row(columns), _row(['---'] * len(columns)), *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    escaped = (cell.replace('|', '\\|') for cell in cells)
    return f'| {" | ".join(escaped)} |'
