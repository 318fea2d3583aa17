"""Robots that compute and send at different, fluctuating speeds. Everything is seeded.

A cell: the aggregator is at its centre, robots are spread evenly over its disk. What a robot can
send follows from its distance (path loss of 3GPP TR 36.942, 128.1 + 37.6 log10(km) dB; Shannon's
capacity up to a maximum). How fast it computes is drawn once, evenly between two bounds. Each
round both are multiplied by a number from a normal distribution around 1 that is cut off at both
sides alike, so that their means stay. Robots that move keep their heading but
for small turns, and turn round at the edge of the cell.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import truncnorm

from iot_fl_ros.core.config import setting
from iot_fl_ros.core.seeds import generator
from iot_fl_ros.federation.selection.policies import Seconds

_THERMAL_NOISE = -174.0  # dBm/Hz
_NEAREST = 0.01  # km
_TURN = 0.2  # rad, standard deviation of a robot's turn in a round


@dataclass(frozen=True)
class ResourceSettings:
    """Computing and radio of the robots of a fleet in memory."""

    spread: float = setting(
        0.0, 'Standard deviation of the fluctuation from round to round, relative.', minimum=0.0
    )
    cut: float = setting(0.9, 'Largest fluctuation, relative; below 1.', minimum=0.0, maximum=0.99)
    samples: float = setting(
        500.0, 'Samples that a robot trains on in a round, epochs counted.', minimum=0.0
    )
    slowest: float = setting(10.0, 'Slowest robot, samples/s.', minimum=1e-3)
    fastest: float = setting(100.0, 'Fastest robot, samples/s.', minimum=1e-3)
    radius: float = setting(2.0, 'Radius of the cell, km.', minimum=0.02)
    bandwidth: float = setting(1.8e6, 'Bandwidth of the channel, Hz.', minimum=1.0)
    max_rate: float = setting(8.6e6, 'Largest rate of the channel, bit/s.', minimum=1.0)
    power: float = setting(20.0, 'Transmitted power, dBm.')
    noise_figure: float = setting(5.0, 'Noise figure of the receiver, dB.')
    step: float = setting(
        0.0, 'Distance that a robot moves each round, km; 0 = robots stand.', minimum=0.0
    )


class Resources:
    """Speed and rate of the robots of one fleet in each round, the same for the same seed."""

    def __init__(self, settings: ResourceSettings, robots: Sequence[str], seed: int) -> None:
        self._settings = settings
        self._places = {robot_id: n for n, robot_id in enumerate(robots)}
        self._seed = seed
        self._slower = _mean_inverse(settings.spread, settings.cut)
        rng = generator(seed, 'resources')
        count = len(robots)
        self._speed = rng.uniform(settings.slowest, settings.fastest, count)
        distance = settings.radius * np.sqrt(rng.uniform(size=count))
        angle = rng.uniform(0, 2 * np.pi, count)
        # Positions by round, km; they grow as they are needed.
        self._paths = [np.stack([distance * np.cos(angle), distance * np.sin(angle)], axis=1)]
        self._headings = rng.uniform(0, 2 * np.pi, count)
        self._fluctuations = lru_cache(maxsize=8)(self._draw)

    def speed(self, robot_id: str, round: int) -> float:
        """Return how fast a robot computes in a round, samples/s."""
        place = self._places[robot_id]
        return float(self._speed[place] * self._fluctuations(round)[0, place])

    def rate(self, robot_id: str, round: int) -> float:
        """Return how fast a robot sends in a round, bytes/s."""
        place = self._places[robot_id]
        x, y = self._positions(round)[place]
        return self._capacity(math.hypot(x, y)) / 8 * float(self._fluctuations(round)[1, place])

    def train_seconds(self, robot_id: str, round: int) -> float:
        """Return how long a robot trains in a round, s."""
        return self._settings.samples / self.speed(robot_id, round)

    def seconds(self, robot_id: str, round: int, size: float) -> Seconds:
        """Return how long a robot trains, and uploads `size` bytes, in a round."""
        upload = size / self.rate(robot_id, round)
        return Seconds(self.train_seconds(robot_id, round), upload)

    def mean_seconds(self, robot_id: str, round: int, size: float) -> Seconds:
        """Return the expected times, for whoever wants to compare with the best choice."""
        place = self._places[robot_id]
        x, y = self._positions(round)[place]
        return Seconds(
            self._slower * self._settings.samples / float(self._speed[place]),
            self._slower * size * 8 / self._capacity(math.hypot(x, y)),
        )

    def _capacity(self, distance: float) -> float:
        """Return Shannon's capacity at a distance in km, bit/s, up to the largest rate."""
        settings = self._settings
        loss = 128.1 + 37.6 * math.log10(max(distance, _NEAREST))
        noise = _THERMAL_NOISE + 10 * math.log10(settings.bandwidth) + settings.noise_figure
        ratio = 10 ** ((settings.power - loss - noise) / 10)
        return min(settings.max_rate, settings.bandwidth * math.log2(1 + ratio))

    def _draw(self, round: int) -> NDArray[np.float64]:
        """Return the factors of a round: [2, robots], computing and radio."""
        shape = (2, len(self._places))
        spread, cut = self._settings.spread, self._settings.cut
        if not spread or not cut:
            return np.ones(shape)
        rng = generator(self._seed, 'fluctuation', round)
        bound = cut / spread
        return 1 + spread * truncnorm.rvs(-bound, bound, size=shape, random_state=rng)

    def _positions(self, round: int) -> NDArray[np.float64]:
        if not self._settings.step:
            return self._paths[0]
        while len(self._paths) <= round:
            self._paths.append(self._moved(self._paths[-1], len(self._paths)))
        return self._paths[round]

    def _moved(self, positions: NDArray[np.float64], round: int) -> NDArray[np.float64]:
        """Return the positions one step ahead; robots turn a little, and round at the edge."""
        rng = generator(self._seed, 'walk', round)
        self._headings = self._headings + rng.normal(0.0, _TURN, len(positions))
        steps = np.stack([np.cos(self._headings), np.sin(self._headings)], axis=1)
        moved = positions + self._settings.step * steps
        outside = np.hypot(*moved.T) > self._settings.radius
        self._headings = np.where(outside, self._headings + np.pi, self._headings)
        return np.where(outside[:, None], positions, moved)


def _mean_inverse(spread: float, cut: float) -> float:
    """Return the mean of 1 / factor of the fluctuation."""
    if not spread or not cut:
        return 1.0
    low, high = -cut / spread, cut / spread
    return float(truncnorm.expect(lambda x: 1 / (1 + spread * x), (low, high), lb=low, ub=high))
