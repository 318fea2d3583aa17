"""Reports about the rounds of a mesh: rows of one peer, and those of all peers together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from iot_fl_ros.core.run_files import Row, known_mean
from iot_fl_ros.mesh.rounds import PeerRound
from iot_fl_ros.training.energy import Joules

_TOTALS = ('bytes_sent', 'bytes_received', 'joules', 'joules_active')


def round_row(
    one: PeerRound, robot_id: str, joules: Joules, sent: int, received: int, **measures: float
) -> dict[str, Any]:
    """Return the `round` row of one peer; bytes and joules are totals since its start.

    participants: whose updates were mixed, its own too.
    """
    accepted = sorted({*one.accepted} & {*one.participants})
    return {
        'kind': 'round',
        'round': one.number,
        'robot': robot_id,
        **measures,
        'participants': sorted([robot_id, *accepted]),
        'neighbours': list(one.participants),
        'late': [i for i in one.late() if i in one.participants],
        'silent': sorted(one.silent - set(accepted)),
        'refused': sorted(one.refused),
        'bytes_sent': sent,
        'bytes_received': received,
        'bytes_up': sent,
        'bytes_total': sent + received,
        'joules': joules.total,
        'joules_active': joules.active,
    }


def end_row(robot_id: str, rounds: int, bytes_sent: int, bytes_received: int) -> dict[str, Any]:
    """Return the `end` row of one peer."""
    return {
        'kind': 'end',
        'robot': robot_id,
        'robots': 1,
        'bytes_up': bytes_sent,
        'bytes_down': bytes_received,
        'bytes_per_robot_round': (bytes_sent + bytes_received) / max(1, rounds),
    }


def merge_rows(peers: Mapping[str, Iterable[Row]]) -> list[dict[str, Any]]:
    """Return the rows of a mesh from those of its peers, as those of a run with an aggregator.

    Measures are means over the peers that did the round, bytes and joules sums over all peers.
    The aggregator's accuracy is NaN: there is none.
    """
    grown = {robot_id: _grown(rows) for robot_id, rows in sorted(peers.items())}
    numbers = sorted({number for rows in grown.values() for number in rows})
    merged, sent = [], 0
    totals = {robot_id: dict.fromkeys(_TOTALS, 0) for robot_id in grown}
    for number in numbers:
        rows = {robot_id: of[number] for robot_id, of in grown.items() if number in of}
        for robot_id, row in rows.items():
            totals[robot_id] = {name: row[name] for name in _TOTALS}
        merged.append(_merged(number, rows, totals, sent))
        sent = sum(total['bytes_sent'] for total in totals.values())
    return [*merged, _merged_end(totals, len(numbers))]


def _grown(rows: Iterable[Row]) -> dict[int, dict[str, Any]]:
    """Return the last `round` row of each round, its totals going on over restarts."""
    before = dict.fromkeys(_TOTALS, 0)
    former = dict.fromkeys(_TOTALS, 0)
    result: dict[int, dict[str, Any]] = {}
    for row in rows:
        if row['kind'] == 'start':  # a new life counts from zero
            before = {name: before[name] + former[name] for name in _TOTALS}
            former = dict.fromkeys(_TOTALS, 0)
        if row['kind'] != 'round':
            continue
        former = {name: row[name] for name in _TOTALS}
        totals = {name: before[name] + former[name] for name in _TOTALS}
        result[row['round']] = {**row, **totals}
    return result


def _merged(
    number: int, rows: Mapping[str, Row], totals: Mapping[str, Row], sent_before: int
) -> dict[str, Any]:
    total = _sums(totals)
    return {
        'kind': 'round',
        'round': number,
        'accuracy': math.nan,
        'robot_accuracy': known_mean([row['accuracy'] for row in rows.values()]),
        'loss': known_mean([row['loss'] for row in rows.values()]),
        'disagreement': known_mean([row['disagreement'] for row in rows.values()]),
        'seconds': max(row['seconds'] for row in rows.values()),
        'time': max(row['time'] for row in rows.values()),
        'participants': sorted(rows),
        **{
            name: [f'{other} at {i}' for i, row in rows.items() for other in row[name]]
            for name in ('late', 'silent', 'refused')
        },
        'bytes_up': total['bytes_sent'] - sent_before,
        'bytes_total': total['bytes_sent'] + total['bytes_received'],
        'joules': total['joules'],
        'joules_active': total['joules_active'],
        'accuracies': {robot_id: row['accuracy'] for robot_id, row in rows.items()},
    }


def _merged_end(totals: Mapping[str, Row], rounds: int) -> dict[str, Any]:
    total = _sums(totals)
    up, down = total['bytes_sent'], total['bytes_received']
    return {
        'kind': 'end',
        'robots': len(totals),
        'bytes_up': up,
        'bytes_down': down,
        'bytes_per_robot_round': (up + down) / max(1, len(totals)) / max(1, rounds),
        'joules': total['joules'],
        'joules_active': total['joules_active'],
    }


def _sums(totals: Mapping[str, Row]) -> dict[str, float]:
    return {name: sum(one[name] for one in totals.values()) for name in _TOTALS}
