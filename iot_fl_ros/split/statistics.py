"""Statistics of a head's or a tail's traffic and times; what showing pictures to a head gave."""

from __future__ import annotations

import collections
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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

    def note(self, now: float) -> None:
        """Note that it happened."""
        self._times.append(now)

    def per_second(self, now: float) -> float:
        """Return its rate, 1/s, silence included."""
        if len(self._times) < 2:
            return 0.0
        return (len(self._times) - 1) / max(now - self._times[0], 1e-9)


@dataclass
class TailStatistics:
    """Statistics of the tail about one robot. frames: counts by what became of them."""

    loss: PacketLoss = field(default_factory=PacketLoss)
    latency: Recent = field(default_factory=Recent)
    received: Recent = field(default_factory=Recent)
    rate: Rate = field(default_factory=Rate)
    frames: Counter[str] = field(default_factory=Counter)


@dataclass
class Answered:
    """One picture that was shown.

    latency: None = never answered; received: share of features; record: the whole answer.
    """

    label: int
    answer: int = -1
    latency: float | None = None
    received: float = 0.0
    record: Mapping[str, Any] | None = None


def write_answers(path: Path, shown: Sequence[Answered], tail: Mapping[str, str]) -> None:
    """Write accuracy, latency and loss. A picture without an answer counts as wrong.

    tail: the last diagnostics of the tail about this robot.
    """
    answered = [one for one in shown if one.latency is not None]
    latencies = [one.latency or 0.0 for one in answered]
    labelled = [one for one in shown if one.label >= 0]
    sure = [one.answer == one.label for one in answered]
    right = sum(one.answer == one.label for one in labelled)
    sent = int(tail.get('packets received', 0)) + int(tail.get('packets lost', 0))
    result: dict[str, Any] = {
        'pictures': len(shown),
        'answered': len(answered) / max(1, len(shown)),
        'accuracy': right / len(labelled) if labelled else None,
        'accuracy_of_answered': sum(sure) / len(sure) if sure else None,
        'features_received': float(np.mean([one.received for one in answered] or [0.0])),
        'packets_received': int(tail['packets received']) / sent if sent else None,
        'latency_p50': float(np.quantile(latencies, 0.5)) if latencies else None,
        'latency_p99': float(np.quantile(latencies, 0.99)) if latencies else None,
        'tail': dict(tail),
    }
    if any(one.record for one in shown):
        result['answers'] = [one.record for one in shown]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1))
