"""Rounds that are over and are being measured, while the robots are busy with the next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iot_fl_ros.core.effects import Effect, Publish, Record, StartJob
from iot_fl_ros.core.tensors import Tensors
from iot_fl_ros.federation.jobs import Evaluate
from iot_fl_ros.federation.report import report_of

Row = dict[str, Any]


class Evaluations:
    """Holds the rows of closed rounds until the aggregator's model has been measured."""

    def __init__(self) -> None:
        self._rows: dict[int, Row] = {}
        self._pending: set[int] = set()

    @property
    def pending(self) -> bool:
        """True while a measurement is not over."""
        return bool(self._pending)

    def hold(self, number: int, row: Mapping[str, Any]) -> None:
        """Take the row of a closed round, without accuracy and version."""
        self._rows[number] = dict(row)

    def row_of(self, number: int) -> Row | None:
        """Return the row of a round that has not been measured."""
        return self._rows.get(number)

    def begin(self, number: int, model_version: int, tensors: Tensors) -> Effect:
        """Measure a round; tensors: those that came out of it, empty = none did."""
        self._pending.add(number)
        return StartJob(Evaluate(number, model_version, tensors))

    def done(self, job: Evaluate, accuracy: float, run_id: str, now: float) -> list[Effect]:
        """Take a measurement: record and publish what is known of the round."""
        self._pending.discard(job.round)
        row = self._rows.pop(job.round, None)
        if row is None:
            return []  # a restart measures a round again whose row is on disk already
        row['accuracy'] = accuracy
        row['model_version'] = job.model_version
        report = report_of(row, run_id, now)
        robots = row.pop('robots')
        records = [Record({'kind': 'robot', 'round': job.round, **robot}) for robot in robots]
        return [*records, Record(row), Publish(report)]
