"""The choice whom to ask as a game of its own: rounds in which nobody learns.

It plays thousands of rounds in seconds, to compare how long the rounds of policies take.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from iot_fl_ros.core.config import setting
from iot_fl_ros.core.names import robot_ids
from iot_fl_ros.federation.selection.history import ResponseRecord
from iot_fl_ros.federation.selection.policies import Seconds, round_seconds
from iot_fl_ros.federation.selection.selector import ParticipantSelector
from iot_fl_ros.federation.selection.settings import SelectSettings
from iot_fl_ros.memory.resources import Resources, ResourceSettings


@dataclass(frozen=True)
class GameSettings:
    """The work of a round, and how many rounds there are."""

    robots: int = setting(100, 'Number of robots.', minimum=1)
    rounds: int = setting(500, 'Number of rounds.', minimum=1)
    update_bytes: float = setting(1e6, 'Bytes of an update.', minimum=0.0)
    deadline: float = setting(0.0, 'Longest round, s; 0 = none.', minimum=0.0)
    told: bool = setting(False, 'Tell the policy the expected times of every round.')


def play(
    game: GameSettings, select: SelectSettings, resources: ResourceSettings, seed: int
) -> list[float]:
    """Return the duration of every round, s."""
    robots = robot_ids(game.robots)
    world = Resources(resources, robots, seed)
    selector = ParticipantSelector(select, seed, quorum=0)
    durations = []
    for round in range(1, game.rounds + 1):
        if game.told:
            selector = ParticipantSelector(select, seed, quorum=0)
            expected = {i: world.mean_seconds(i, round, game.update_bytes) for i in robots}
            selector.observe({i: ResponseRecord(round, *times) for i, times in expected.items()})
        asked = selector.ask(robots, round)
        times = {i: world.seconds(i, round, game.update_bytes) for i in asked}
        end = min(round_seconds(select.timing, times.values()), game.deadline or math.inf)
        selector.observe(_records(times, select.timing, end, round))
        durations.append(end)
    return durations


def _records(
    times: dict[str, Seconds], timing: str, end: float, round: int
) -> dict[str, ResponseRecord]:
    """Return what the aggregator sees of a round that ends after `end` s."""
    observations = {}
    free = 0.0  # when the radio channel is, if there is only one
    for robot_id, (train, upload) in sorted(times.items(), key=lambda item: item[1]):
        if train >= end:
            observations[robot_id] = ResponseRecord(round, end, math.nan, True)
            continue
        start = max(train, free) if timing == 'serial' else train
        free = start + upload
        if free <= end:
            observations[robot_id] = ResponseRecord(round, train, upload)
        else:
            began = end - start if start < end else math.nan
            observations[robot_id] = ResponseRecord(round, train, began, False, True)
    return observations
