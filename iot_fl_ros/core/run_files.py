"""The files of a run: config.yaml, events.jsonl, summary.json; and how JSON files are written.

Rows of events.jsonl: `joined`, `refused` (a robot cannot take part, and why), `open` (a round and
who is asked), `update` (a robot's update is in), `failed` (it has none, and why), `gone` (a robot
left or fell silent), `robot` (one per round and robot; its byte counts are totals so
far), `round` (one per round), `end`. Every number shown to a person comes from these files.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from iot_fl_ros.core.errors import IotFlError
from iot_fl_ros.core.run_folder import make_folder, own, release

Row = Mapping[str, Any]
TARGETS = (0.5, 0.6, 0.7)
_MEASURES = ('accuracy', 'robot_accuracy', 'loss', 'disagreement')


class RunWriter:
    """Writes the files of one run, whose folder it owns; rows are on disk when `record` returns.

    last_round: rows of later rounds left by a crash are dropped, and written again by the run;
    None = all rows are kept, there are no rounds.
    """

    def __init__(self, folder: Path, config: Mapping[str, Any], last_round: int | None) -> None:
        own(folder)
        self._folder = folder
        self._events = folder / 'events.jsonl'
        _replace(folder / 'config.yaml', yaml.safe_dump(dict(config), sort_keys=False))
        (folder / 'summary.json').unlink(missing_ok=True)
        kept = rows_kept(read_events(folder), last_round)
        _replace(self._events, ''.join(_line(row) for row in kept))

    def record(self, row: Row) -> None:
        """Append a row; the `end` row also writes the summary."""
        with self._events.open('a') as file:
            file.write(_line(row))
        if row['kind'] == 'end':
            summary = summarize(read_events(self._folder))
            write_json(self._folder / 'summary.json', summary)

    def close(self) -> None:
        """Give the folder back."""
        release(self._folder)


def rows_kept(rows: Iterable[dict[str, Any]], last_round: int | None) -> list[dict[str, Any]]:
    """Return the rows that stay when a run goes on after a round; None = all do."""
    return [row for row in rows if last_round is None or 0 < row.get('round', 0) < last_round]


class NewRows:
    """The rows that a run writes from now on, which may begin the file of a folder anew.

    last_round: that it goes on after, see `RunWriter`. Before it has begun there are none.
    """

    def __init__(self, folder: Path, last_round: int | None) -> None:
        self._folder = folder
        self._file = _identity(folder)
        self._last_round = last_round
        self._kept = len(rows_kept(read_events(folder), last_round))
        self._begun = False

    def read(self) -> list[dict[str, Any]]:
        """Return them."""
        return self.with_kept()[self._kept :]

    def with_kept(self) -> list[dict[str, Any]]:
        """Return them after those that it goes on from."""
        # Once is enough: what a later file has for a name may be that of an earlier one again.
        self._begun = self._begun or _identity(self._folder) not in (None, self._file)
        rows = read_events(self._folder)
        return rows if self._begun else rows_kept(rows, self._last_round)


def _identity(folder: Path) -> tuple[int, int] | None:
    """Return what tells the file of rows from the one that it takes the place of."""
    path = folder / 'events.jsonl'
    if not path.is_file():
        return None
    status = path.stat()
    return status.st_dev, status.st_ino


def read_events(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of a run, without a last line that a crash cut off."""
    path = folder / 'events.jsonl'
    rows = []
    for line in path.read_text().splitlines() if path.is_file() else ():
        try:
            row = json.loads(line)
        except ValueError:
            break
        rows.append(row | {name: math.nan for name in _MEASURES if row.get(name, 0) is None})
    return rows


def summarize(rows: Iterable[Row]) -> dict[str, Any]:
    """Return the summary of a run from its rows.

    accuracy: best of the aggregator's model, or of the robots' mean where it has none. bytes_to:
    bytes a robot sent and received until that accuracy was reached, null = never.
    """
    rows = list(rows)
    rounds = [row for row in rows if row['kind'] == 'round']
    end = next((row for row in rows if row['kind'] == 'end'), {})
    robots = max(1, end.get('robots', 1))
    curve = [(accuracy_of(row), row['bytes_total'] / robots) for row in rounds]
    start = min((row['time'] - row['seconds'] for row in rounds), default=0.0)
    known = [accuracy for accuracy, _ in curve if not math.isnan(accuracy)]
    return {
        'accuracy': max(known, default=None),
        'final_accuracy': known[-1] if known else None,
        'robot_accuracy': max(
            (r['robot_accuracy'] for r in rounds if not math.isnan(r['robot_accuracy'])),
            default=None,
        ),
        'rounds': len(rounds),
        'robots': end.get('robots'),
        'bytes_per_robot_round': end.get('bytes_per_robot_round'),
        'bytes_to': {f'{t:.2f}': _bytes_to(curve, t) for t in TARGETS},
        'seconds': max((row['time'] for row in rounds), default=start) - start,
        'late': sum(len(row['late']) for row in rounds),
        'silent': sum(len(row['silent']) for row in rounds),
        'refused': sum(len(row['refused']) for row in rounds),
        'failed': sum(row['kind'] == 'failed' for row in rows),
        'aggregated': sum(bool(row['participants']) for row in rounds),
    }


def read_summary(folder: Path) -> dict[str, Any]:
    """Return summary.json of a run; IotFlError if the run has not ended."""
    path = folder / 'summary.json'
    if not path.is_file():
        raise IotFlError(f'{path} is missing: the run has not ended, see {folder / "log"}')
    return dict(json.loads(path.read_text()))


def accuracy_of(row: Row) -> float:
    """Return the accuracy of a round: the aggregator's model, else the mean of the robots."""
    accuracy = row['accuracy']
    return row['robot_accuracy'] if accuracy is None or math.isnan(accuracy) else accuracy


def known_mean(values: Sequence[float]) -> float:
    """Return the mean of those that are not NaN; NaN if there are none."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that the file is always whole."""
    _replace(path, json.dumps(value, indent=2) + '\n')


def _replace(path: Path, text: str) -> None:
    """Write a file in one step: a crash or a full disk leaves the former one."""
    temporary = path.with_name(path.name + '.tmp')
    try:
        temporary.write_text(text)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_strict_json(path: Path, value: Any) -> None:
    """Write a file, and the folder that it is in; what is not finite becomes null."""
    make_folder(path.parent)
    write_json(path, _strict(value))


def _strict(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _bytes_to(curve: list[tuple[float, float]], target: float) -> int | None:
    return next((round(size) for accuracy, size in curve if accuracy >= target), None)


def _line(row: Row) -> str:
    """Return a row as strict JSON: what is not finite becomes null."""
    return json.dumps(_strict(row)) + '\n'
