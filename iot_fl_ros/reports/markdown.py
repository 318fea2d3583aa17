"""Reports as Markdown, with tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from iot_fl_ros.core.run_files import write_strict_json
from iot_fl_ros.studies.runner import AnyStudy

NOT_RUN = 'not run yet'


@dataclass(frozen=True)
class GoalResult:
    """A bar and what came out. met: None = the seeds that there are cannot tell."""

    name: str
    goal: str
    measured: str
    met: bool | None


def write_page(
    study: AnyStudy,
    lines: Iterable[str],
    results: Mapping[str, Any],
    goals: Sequence[GoalResult],
    output: Path,
    folder: Path,
) -> Path:
    """Write <folder>/<name>.md and, with its figures, <folder>/<name>.json; return the first.

    output: folder of the runs, of which the page says how many are done, and which failed.
    """
    head = [f'# {study.title}', '', f'Made by `iot-fl study {study.name}`; do not edit.', '']
    head += [study.text.strip(), ''] if study.text else []
    path = folder / f'{study.name}.md'
    done, wanted = sum(task.done(output) for task in study.tasks), len(study.tasks)
    left = '' if done == wanted else f' The other {wanted - done} are missing below.'
    head += [f'{done} of {wanted} runs are done.{left}', '']
    lines = [*head, *lines, *_failures(study.errors(output))]
    path.write_text('\n'.join(lines).rstrip() + '\n')
    figures = {
        'study': study.name, 'runs': {'done': done, 'wanted': wanted}, 'results': results,
        'goals': [asdict(goal) for goal in goals],
    }  # fmt: skip
    write_strict_json(path.with_suffix('.json'), figures)
    return path


def verdict(met: bool | None) -> str:
    """Return whether a goal was met as a word."""
    return {None: 'open', True: 'yes', False: 'no'}[met]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table; its first column is text, the others are numbers."""
    return [_line(head), _line(['---'] + ['---:'] * (len(head) - 1)), *map(_line, rows)]


def not_done(path: Path, failed: Collection[Path]) -> str:
    """Return why runs in a folder have no results. failed: folders in which some failed."""
    return 'failed' if path in failed else NOT_RUN


def _failures(errors: Mapping[Path, str]) -> list[str]:
    if not errors:
        return []
    lines = (f'- `{run}`: {" ".join(error.split())}' for run, error in errors.items())
    return ['## Runs that failed', '', *lines, '']


def _line(cells: Sequence[str]) -> str:
    return '| ' + ' | '.join(cells) + ' |'
