"""Reports about a round that is over: its rows in events.jsonl and its RoundReport."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iot_fl_ros.core.messages.federation import RobotStatus, RoundReport
from iot_fl_ros.core.run_files import known_mean
from iot_fl_ros.exchange.open_round import OpenRound
from iot_fl_ros.federation.selection.history import ResponseRecord
from iot_fl_ros.federation.traffic import Traffic


def row_of(
    closed: OpenRound, records: Mapping[str, ResponseRecord], traffic: Traffic, now: float
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
        'robot_accuracy': known_mean([status.accuracy for status in statuses]),
        'loss': known_mean([status.loss for status in statuses]),
        'seconds': now - closed.opened,
        'time': now,
        **traffic.close_round(),
        'robots': [_robot_row(s, records[s.robot_id].upload, traffic) for s in statuses],
    }


def report_of(row: Mapping[str, Any], run_id: str, now: float) -> RoundReport:
    """Return the message that tells the fleet what the row says."""
    same = ('round', 'model_version', 'accuracy', 'robot_accuracy', 'loss', 'seconds')
    lists = ('participants', 'late', 'silent', 'refused')
    values = {name: row[name] for name in same} | {name: tuple(row[name]) for name in lists}
    return RoundReport(stamp=now, run_id=run_id, bytes_received=row['bytes_up'], **values)


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
