"""Pace of a simulation against the wall's clock, and times of what it publishes."""

from __future__ import annotations


class Every:
    """True once each period of simulated time, at its multiples, from time 0 on."""

    def __init__(self, rate: float) -> None:
        """rate: 1/s."""
        self._rate = rate
        self._count = 0

    def due(self, now_ns: int) -> bool:
        """Return whether another period has begun by now, ns."""
        if now_ns * self._rate < self._count * 1e9:
            return False
        self._count = int(now_ns * self._rate // 1e9) + 1
        return True


class Pace:
    """Holds simulated time back to `factor` times real time; factor 0: never holds it back."""

    def __init__(self, factor: float, patience: float) -> None:
        """patience: lag, s of simulated time, after which it does not try to catch up."""
        self._factor, self._patience = factor, patience
        self._start: tuple[float, float] | None = None

    def allows(self, simulated: float, real: float) -> bool:
        """Return whether to simulate on; simulated and real time in s."""
        if self._factor == 0:
            return True
        if self._start is None:
            self._start = real, simulated
        behind = (real - self._start[0]) * self._factor - (simulated - self._start[1])
        if behind > self._patience:  # too slow a machine: it is not to race later
            self._start = real, simulated
        return behind >= 0
