"""An emulated link: losses, delay, jitter and rate, the same from the same seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.config import setting
from iot_fl_ros.core.seeds import generator
from iot_fl_ros.link.loss import (
    Arrivals,
    GilbertElliottLoss,
    IidLoss,
    LossProcess,
    TraceLoss,
    read_trace,
)

LOST = np.inf
_MAX_LINKS = 1_000


@dataclass(frozen=True)
class LinkSettings:
    """Settings of a link between sender and receiver."""

    loss: float = setting(0.0, 'Share of packets lost.', minimum=0.0, maximum=1.0)
    burst: float = setting(
        0.0,
        'Mean length of a burst of losses, packets (Gilbert-Elliott); 0 = losses are independent.',
        minimum=0.0,
    )
    loss_when_bad: float = setting(
        1.0, 'Share of packets lost during a burst, with burst > 0.', minimum=0.01, maximum=1.0
    )
    trace: str = setting(
        '', 'Text file of 1 (arrived) and 0 (lost), replayed instead of loss and burst.'
    )
    delay: float = setting(0.0, 'Time that every packet takes, s.', minimum=0.0, maximum=60.0)
    jitter: float = setting(
        0.0, 'Mean of a further random time (exponential), s; packets may overtake.',
        minimum=0.0, maximum=60.0,
    )  # fmt: skip
    rate: float = setting(0.0, 'Bytes a second that the link carries; 0 = unlimited.', minimum=0.0)
    seed: int = setting(0, 'Seed of losses and jitter.', minimum=0)

    @property
    def ideal(self) -> bool:
        """True if this link does nothing to packets."""
        return not (self.loss or self.trace or self.delay or self.jitter or self.rate)


class Link:
    """Carries packets from one sender; training, the in-memory fleet and nodes all use it.

    name: sets links with one seed apart.
    """

    def __init__(self, settings: LinkSettings, name: str = '') -> None:
        self._settings = settings
        self._loss = _loss_process(settings, generator(settings.seed, 'loss', name))
        self._rng = generator(settings.seed, 'jitter', name)
        self._free_at = 0.0

    def arrivals(self, frames: int, packets: int) -> Arrivals:
        """Return which packets of the next frames arrive, bool [frames, packets]."""
        return self._loss(frames * packets).reshape(frames, packets)

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
        return np.where(self._loss(len(sizes)), arrival, LOST)


class EmulatedLinks:
    """One link per robot, for a tail that is told to have bad ones."""

    def __init__(self, settings: LinkSettings) -> None:
        self._settings = settings
        self._links: dict[str, Link] = {}

    def __call__(self, robot_id: str, now: float, size: int) -> float:
        """Return when a packet of `size` bytes, sent at `now`, arrives, s; infinity: never."""
        if robot_id not in self._links:
            if len(self._links) >= _MAX_LINKS:
                self._links.clear()
            self._links[robot_id] = Link(self._settings, robot_id)
        return float(self._links[robot_id].send(now, np.array([size]))[0])


def _loss_process(settings: LinkSettings, rng: np.random.Generator) -> LossProcess:
    if settings.trace:
        trace = read_trace(Path(settings.trace).expanduser())
        return TraceLoss(trace, int(rng.integers(len(trace))))
    if settings.burst:
        return GilbertElliottLoss(settings.loss, settings.burst, rng, settings.loss_when_bad)
    return IidLoss(settings.loss, rng)
