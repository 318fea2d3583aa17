"""The robots of a fleet as the aggregator knows them, from their statuses and their absence."""

from __future__ import annotations

from collections import Counter

from iot_fl_ros.core.messages.federation import RobotState, RobotStatus
from iot_fl_ros.exchange.presence import Presence

_AVAILABLE = (RobotState.READY, RobotState.UPLOADING)
_DONE = (RobotState.FINISHED, RobotState.REFUSED)


class Roster(Presence[RobotStatus]):
    """The robots that are there. missed: rounds that a robot did not answer in time, in a row."""

    def __init__(self, lease: float) -> None:
        super().__init__(lease)
        self.missed: Counter[str] = Counter()

    def forget(self, robot_id: str) -> None:
        """Forget a robot, and what it missed."""
        super().forget(robot_id)
        self.missed.pop(robot_id, None)

    def available(self) -> list[str]:
        """Return the ids of the robots that can be asked now, sorted.

        They are idle, or done with the round that they last sent.
        """
        return [i for i, status in self.statuses().items() if status.state in _AVAILABLE]

    def unfinished(self) -> bool:
        """Return whether a robot still needs the aggregator."""
        return any(status.state not in _DONE for status in self.statuses().values())
