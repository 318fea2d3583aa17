"""Reports as Markdown, with tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from iot_fl_ros.studies.runner import AnyStudy


def write_markdown(study: AnyStudy, lines: Iterable[str], folder: Path) -> Path:
    """Write <folder>/<name>.md: title, text, lines; return its path."""
    head = [f'# {study.title}', '', f'Made by `iot-fl study {study.name}`; do not edit.', '']
    head += [study.text.strip(), ''] if study.text else []
    path = folder / f'{study.name}.md'
    path.write_text('\n'.join([*head, *lines]).rstrip() + '\n')
    return path


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table; its first column is text, the others are numbers."""
    return [_line(head), _line(['---'] + ['---:'] * (len(head) - 1)), *map(_line, rows)]


def failures(errors: Mapping[str, str]) -> list[str]:
    """Return the lines about runs that failed: the error by the name of the run."""
    if not errors:
        return []
    return ['## Runs that failed', '', *(f'- `{run}`: {e}' for run, e in errors.items()), '']


def _line(cells: Sequence[str]) -> str:
    return '| ' + ' | '.join(cells) + ' |'
