"""The way up: updates of robots take as long as their bytes need."""

from __future__ import annotations

from collections.abc import Callable

from iot_fl_ros.core.messages.chunks import TensorChunk
from iot_fl_ros.core.messages.fields import WireMessage

# (robot id, round) -> bytes/s
Rate = Callable[[str, int], float]
_SHARED = ''


class RobotUplink:
    """Chunks of updates leave a robot at its rate, in the order in which they were published.

    serial: all robots share one radio channel; else each has its own. Statuses and requests are
    small and leave at once. A chunk that is asked for again while it waits for the radio is not
    sent twice.
    """

    def __init__(self, rate: Rate, *, serial: bool) -> None:
        self._rate = rate
        self._serial = serial
        self._free: dict[str, float] = {}
        self._leaving: dict[tuple[str, int], tuple[bytes, float]] = {}

    def leaves(self, message: WireMessage, size: int, now: float) -> float | None:
        """Return when the message has left its sender, s; None = it is under way."""
        if type(message) is not TensorChunk:
            return now
        chunk = message.sender_id, message.chunk_index
        digest, left = self._leaving.get(chunk, (b'', 0.0))
        if digest == message.digest and left > now:
            return None
        channel = _SHARED if self._serial else message.sender_id
        start = max(now, self._free.get(channel, 0.0))
        self._free[channel] = start + size / self._rate(message.sender_id, message.round)
        self._leaving[chunk] = message.digest, self._free[channel]
        return self._free[channel]
