"""The open samples of each round, and those among them that robots must label anew.

The soft-label cache of SCARLET, arXiv 2504.19602: a label of round s is used again in round r as
long as s + D > r. Here both ends compute from the run's seed which labels are still good, so no
signal travels and they cannot disagree about an age of exactly D.
"""

from __future__ import annotations

import threading
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.seeds import generator

Indices = NDArray[np.int64]


class OpenSchedule:
    """The open samples of every round of one run, the same for whoever computes them.

    keep: D, rounds for which a label is good; 1 = only in its own.
    """

    def __init__(self, seed: int, size: int, per_round: int, keep: int) -> None:
        self._seed, self._size, self._keep = seed, size, keep
        self._per_round = min(per_round, size)
        self._asked: list[Indices] = []
        self._asked_in = np.zeros(size if keep > 1 else 0, np.int64)
        self._lock = threading.Lock()  # robots of one process share a schedule

    def drawn(self, round: int) -> Indices:
        """Return the sorted open samples that `round` uses."""
        rng = generator(self._seed, 'open', round)
        return np.sort(rng.choice(self._size, self._per_round, replace=False))

    def asked(self, round: int) -> Indices:
        """Return those of them whose label is asked for, because none is good any more."""
        if round < 1:
            return np.zeros(0, np.int64)
        if self._keep <= 1:
            return self.drawn(round)
        with self._lock:
            while len(self._asked) < round:
                now = len(self._asked) + 1
                drawn = self.drawn(now)
                last = self._asked_in[drawn]
                fresh = drawn[(last == 0) | (last + self._keep <= now)]
                self._asked_in[fresh] = now
                self._asked.append(fresh)
            return self._asked[round - 1]


@lru_cache(maxsize=8)
def open_schedule(seed: int, size: int, per_round: int, keep: int) -> OpenSchedule:
    """Return the schedule of a run; robots of one process share it."""
    return OpenSchedule(seed, size, per_round, keep)
