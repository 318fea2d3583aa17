"""Observations of the robots that took part in a closed round."""

from __future__ import annotations

import math

from iot_fl_ros.exchange.open_round import OpenRound
from iot_fl_ros.federation.selection.history import Observation

# What a status says is believed up to a month where nothing here can tell.
_LONGEST = 30 * 24 * 3600.0  # s


def observations_of(closed: OpenRound, timing: str, now: float) -> dict[str, Observation]:
    """Return an observation of each participant, by its status and the aggregator's own clock.

    Training: the seconds that the robot's status states, but no more than passed here between the
    opening of the round and the announcement of the update. Upload: from the announcement until
    the update was whole. With serial uploads an update waits for those before it, so its own time
    began when the last of them was whole (departures of a queue). An update that was announced
    before the round opened has been trained before: its upload is not judged. Who did not deliver
    was at least as slow as what passed until the round closed.
    """
    began = _began(closed) if timing == 'serial' else closed.announced
    observations = {}
    for robot_id in closed.participants:
        announced = closed.announced.get(robot_id)
        status = closed.statuses.get(robot_id)
        if status is None:
            observations[robot_id] = Observation(
                closed.number, now - closed.opened, math.nan, True
            )
            continue
        train = min(status.train_seconds, _LONGEST)
        if announced is not None:
            train = min(train, announced - closed.opened)
        arrived = closed.arrived.get(robot_id)
        start = began.get(robot_id, math.nan)
        upload = (now if arrived is None else arrived) - start
        observations[robot_id] = Observation(closed.number, train, upload, False, arrived is None)
    return observations


def _began(closed: OpenRound) -> dict[str, float]:
    """Return when each upload had the radio for itself; nothing for those that still wait."""
    began = {}
    free = closed.opened
    for robot_id, arrived in sorted(closed.arrived.items(), key=lambda item: item[1]):
        if robot_id in closed.announced:
            began[robot_id] = min(arrived, max(closed.announced[robot_id], free))
        free = arrived
    waiting = {i: t for i, t in closed.announced.items() if i not in closed.arrived}
    if waiting:
        first = min(waiting, key=lambda robot_id: (waiting[robot_id], robot_id))
        began[first] = max(waiting[first], free)
    return began
