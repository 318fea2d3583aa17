"""An emulated link: losses, delay, jitter and rate, the same from the same seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.seeds import generator
from iot_fl_ros.link.loss import (
    Arrivals,
    GilbertElliottLoss,
    IidLoss,
    LossProcess,
    TraceLoss,
    read_trace,
)
from iot_fl_ros.link.settings import LinkSettings

LOST = np.inf


def loss_process(settings: LinkSettings, name: str = '') -> LossProcess:
    """Return the loss process of a link; `name` sets links with one seed apart."""
    rng = generator(settings.seed, 'loss', name)
    if settings.trace:
        trace = read_trace(Path(settings.trace).expanduser())
        return TraceLoss(trace, int(rng.integers(len(trace))))
    if settings.burst:
        return GilbertElliottLoss(settings.loss, settings.burst, rng, settings.loss_when_bad)
    return IidLoss(settings.loss, rng)


class Link:
    """Carries packets from one sender; training, the in-memory fleet and nodes all use it."""

    def __init__(self, settings: LinkSettings, name: str = '') -> None:
        self._settings = settings
        self._loss = loss_process(settings, name)
        self._rng = generator(settings.seed, 'jitter', name)
        self._free_at = 0.0

    def arrivals(self, frames: int, packets: int) -> Arrivals:
        """Return which packets of the next frames arrive, bool [frames, packets]."""
        return self._loss.arrivals(frames * packets).reshape(frames, packets)

    def send(self, now: float, sizes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return when packets of `sizes` bytes, sent one after the other at `now`, arrive, s.

        Float64 [packets]; LOST (infinity) for packets that do not. With a rate they queue behind
        those sent before; lost ones take their time on the link too.
        """
        left = np.full(len(sizes), now, np.float64)
        if self._settings.rate:
            left = max(now, self._free_at) + np.cumsum(sizes) / self._settings.rate
            self._free_at = float(left[-1]) if len(left) else self._free_at
        arrival = left + self._settings.delay
        if self._settings.jitter:
            arrival = arrival + self._rng.exponential(self._settings.jitter, len(sizes))
        return np.where(self._loss.arrivals(len(sizes)), arrival, LOST)
