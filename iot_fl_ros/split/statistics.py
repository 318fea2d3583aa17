"""Statistics of a head's or a tail's traffic and times."""

from __future__ import annotations

import collections
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

_RECENT = 300
# A jump by more than this is no gap but nonsense: at 10,000 packets a second, 100 s of silence.
_LARGEST_GAP = 1_000_000
_WRAP = 1 << 32


class PacketLoss:
    """Counts packets that did not arrive, from the sender's own sequence numbers."""

    def __init__(self) -> None:
        self.received = 0
        self._first: int | None = None
        self._last = 0
        self._beyond: int | None = None

    def note(self, sequence: int) -> None:
        """Note a packet that arrived."""
        if self._first is None:
            self._first = self._last = sequence
        # Numbers begin again at 2^32: meant is the one that is nearest to the last.
        sequence = self._last + (sequence - self._last + _WRAP // 2) % _WRAP - _WRAP // 2
        if sequence < self._first or self._is_nonsense(sequence):
            return
        self.received += 1
        self._last = max(self._last, sequence)

    def _is_nonsense(self, sequence: int) -> bool:
        """Return whether a number is too far ahead; a second one near it is believed."""
        before, self._beyond = self._beyond, None
        if sequence <= self._last + _LARGEST_GAP:
            return False
        if before is not None and abs(sequence - before) <= _LARGEST_GAP:
            return False
        self._beyond = sequence
        return True

    @property
    def sent(self) -> int:
        """Packets sent from the first to the last one that arrived."""
        return 0 if self._first is None else self._last - self._first + 1

    @property
    def lost(self) -> int:
        """Packets that did not arrive; not negative even if some came twice."""
        return max(0, self.sent - self.received)

    @property
    def loss(self) -> float:
        """Share of packets lost."""
        return self.lost / self.sent if self.sent else 0.0


@dataclass
class Recent:
    """The last values of something measured."""

    values: collections.deque[float] = field(
        default_factory=lambda: collections.deque(maxlen=_RECENT)
    )

    def add(self, value: float) -> None:
        """Add one."""
        self.values.append(value)

    def quantile(self, share: float) -> float:
        """Return the value that `share` of them do not exceed; NaN if there is none."""
        return float(np.quantile(self.values, share)) if self.values else float('nan')

    @property
    def mean(self) -> float:
        """Their mean; NaN if there is none."""
        return float(np.mean(self.values)) if self.values else float('nan')


class Rate:
    """Frequency of something, over its last times."""

    def __init__(self) -> None:
        self._times: collections.deque[float] = collections.deque(maxlen=50)
        self._asked: float | None = None

    def note(self, now: float) -> None:
        """Note that it happened."""
        self._times.append(now)

    def per_second(self, now: float) -> float:
        """Return its rate, 1/s, silence included."""
        if len(self._times) < 2:
            return 0.0
        return (len(self._times) - 1) / max(now - self._times[0], 1e-9)

    def silence(self, now: float) -> float:
        """Return for how long it has not happened, s; since this was asked first, if never."""
        if self._asked is None:
            self._asked = now
        return now - (self._times[-1] if self._times else self._asked)


@dataclass
class TailStatistics:
    """Statistics of the tail about one robot. frames: counts by what became of them."""

    loss: PacketLoss = field(default_factory=PacketLoss)
    latency: Recent = field(default_factory=Recent)
    received: Recent = field(default_factory=Recent)
    rate: Rate = field(default_factory=Rate)
    frames: Counter[str] = field(default_factory=Counter)
