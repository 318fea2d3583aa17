"""Virtual time: a heap of things to do, done in order without waiting."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable


class VirtualClock:
    """Runs scheduled functions in the order of their time, then of their scheduling."""

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()

    def at(self, time: float, function: Callable[[], None]) -> None:
        """Run `function` at virtual `time`, s."""
        heapq.heappush(self._heap, (max(time, self.now), next(self._count), function))

    def run(self, until: float, done: Callable[[], bool]) -> bool:
        """Run until `done()` or virtual time `until`; return whether `done()` came true."""
        while self._heap and self._heap[0][0] <= until:
            self.now, _, function = heapq.heappop(self._heap)
            function()
            if done():
                return True
        self.now = max(self.now, until)
        return done()
