"""Bytes of a run, as the receivers counted them: serialized messages, repeats included."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from iot_fl_ros.core.messages.federation import RobotStatus


class Traffic:
    """Bytes that the aggregator received from each sender, and that robots say they received."""

    def __init__(self) -> None:
        self._up: Counter[str] = Counter()
        self._down: dict[str, int] = {}
        self._up_before = 0
        # Bytes of robots that started again and count from zero.
        self._down_before: Counter[str] = Counter()

    def received(self, sender: str, wire_bytes: int) -> None:
        """Count a message that arrived here."""
        self._up[sender] += wire_bytes

    def received_from(self, sender: str) -> int:
        """Return the bytes that arrived here from `sender`."""
        return self._up[sender]

    def reported(self, status: RobotStatus) -> None:
        """Take over what a robot counted."""
        former = self._down.get(status.robot_id, 0)
        if status.bytes_received < former:
            self._down_before[status.robot_id] += former
        self._down[status.robot_id] = status.bytes_received

    def close_round(self) -> dict[str, int]:
        """Return bytes up in this round, and up + down since the start."""
        up = sum(self._up.values())
        delta, self._up_before = up - self._up_before, up
        return {'bytes_up': delta, 'bytes_total': up + self._total_down()}

    def totals(self, rounds: int) -> dict[str, float]:
        """Return the totals of the run and bytes a robot and round."""
        up, down = sum(self._up.values()), self._total_down()
        robots = max(1, len(self._down))
        return {
            'bytes_up': up,
            'bytes_down': down,
            'robots': len(self._down),
            'bytes_per_robot_round': (up + down) / robots / rounds,
        }

    def state(self) -> dict[str, dict[str, int]]:
        """Return what a checkpoint keeps."""
        return {
            'up': dict(self._up),
            'down': dict(self._down),
            'down_before': dict(self._down_before),
        }

    def restore(self, state: Mapping[str, Mapping[str, int]]) -> None:
        """Go on from a checkpoint; robots that lived on report their totals again."""
        self._up = Counter(state['up'])
        self._up_before = sum(self._up.values())
        self._down = dict(state['down'])
        self._down_before = Counter(state.get('down_before', {}))

    def _total_down(self) -> int:
        return sum(self._down.values()) + sum(self._down_before.values())
