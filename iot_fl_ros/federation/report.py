"""Reports about rounds that are over: rows of events.jsonl and RoundReport, once measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from iot_fl_ros.core.effects import Effect, Publish, Record, StartJob
from iot_fl_ros.core.messages.federation import RobotStatus, RoundReport
from iot_fl_ros.core.tensors import Tensors
from iot_fl_ros.exchange.open_round import OpenRound
from iot_fl_ros.federation.jobs import Evaluate
from iot_fl_ros.federation.selection.history import Observation
from iot_fl_ros.federation.traffic import Traffic


def row_of(
    closed: OpenRound, observations: Mapping[str, Observation], traffic: Traffic, now: float
) -> dict[str, Any]:
    """Return the `round` row, without accuracy and version, which come with the evaluation.

    Its entry `robots` holds the `robot` rows; byte counts of robots are totals so far.
    """
    statuses = [closed.statuses[robot_id] for robot_id in sorted(closed.accepted)]
    return {
        'kind': 'round',
        'round': closed.number,
        'participants': sorted(closed.accepted),
        'late': closed.late(),
        'silent': sorted(closed.silent - set(closed.accepted)),
        'refused': sorted(closed.refused),
        'robot_accuracy': _mean([status.accuracy for status in statuses]),
        'loss': _mean([status.loss for status in statuses]),
        'seconds': now - closed.opened,
        'time': now,
        **traffic.close_round(),
        'robots': [_robot_row(s, observations[s.robot_id].upload, traffic) for s in statuses],
    }


def report_of(row: Mapping[str, Any], run_id: str, now: float) -> RoundReport:
    """Return the message that tells the fleet what the row says."""
    return RoundReport(
        stamp=now,
        run_id=run_id,
        round=row['round'],
        model_version=row['model_version'],
        accuracy=row['accuracy'],
        robot_accuracy=row['robot_accuracy'],
        loss=row['loss'],
        participants=tuple(row['participants']),
        late=tuple(row['late']),
        silent=tuple(row['silent']),
        refused=tuple(row['refused']),
        bytes_received=row['bytes_up'],
        seconds=row['seconds'],
    )


def _robot_row(status: RobotStatus, upload_seconds: float, traffic: Traffic) -> dict[str, Any]:
    return {
        'robot': status.robot_id,
        'accuracy': status.accuracy,
        'loss': status.loss,
        'train_seconds': status.train_seconds,
        'upload_seconds': upload_seconds,
        'wait_seconds': status.wait_seconds,
        'bytes_up': traffic.received_from(status.robot_id),
        'bytes_down': status.bytes_received,
    }


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


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
