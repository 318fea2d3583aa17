"""The way up: updates of robots take as long as their bytes need."""

from __future__ import annotations

from collections.abc import Callable

from iot_fl_ros.core.messages import TensorChunk
from iot_fl_ros.core.wire import WireMessage

# (robot id, round) -> bytes/s
Rate = Callable[[str, int], float]
_SHARED = ''


class RobotUplink:
    """Chunks of updates leave a robot at its rate, in the order in which they were published.

    serial: all robots share one radio channel; else each has its own. Statuses and requests are
    small and leave at once.
    """

    def __init__(self, rate: Rate, *, serial: bool) -> None:
        self._rate = rate
        self._serial = serial
        self._free: dict[str, float] = {}

    def leaves(self, message: WireMessage, size: int, now: float) -> float:
        """Return when the message has left its sender, s."""
        if type(message) is not TensorChunk:
            return now
        channel = _SHARED if self._serial else message.sender_id
        start = max(now, self._free.get(channel, 0.0))
        self._free[channel] = start + size / self._rate(message.sender_id, message.round)
        return self._free[channel]
