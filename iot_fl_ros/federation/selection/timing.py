"""Duration of a round, from how long each of its robots trains and uploads.

Serial: one radio channel, uploads go one after the other (FedCS, arXiv 1804.08333). Parallel:
every robot has a channel of its own, as on a Wi-Fi that is not full. The way down is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple


class Seconds(NamedTuple):
    """Training and upload time of a robot, s; an upload waits for nothing but its own bytes."""

    train: float
    upload: float


Timing = Callable[[float, Seconds], float]


def serial(elapsed: float, robot: Seconds) -> float:
    """Return when a round of `elapsed` s ends with another robot that uploads last.

    FedCS: Theta_i = Theta_{i-1} + t_UL + max(0, t_UD - Theta_{i-1}).
    """
    return max(elapsed, robot.train) + robot.upload


def parallel(elapsed: float, robot: Seconds) -> float:
    """Return when a round of `elapsed` s ends with another robot beside the others."""
    return max(elapsed, robot.train + robot.upload)


TIMINGS: dict[str, Timing] = {'serial': serial, 'parallel': parallel}


def round_seconds(timing: str, robots: Iterable[Seconds]) -> float:
    """Return how long a round of these robots lasts; who has trained first uploads first."""
    elapsed = 0.0
    for robot in sorted(robots):
        elapsed = TIMINGS[timing](elapsed, robot)
    return elapsed
