"""The robots of a fleet as the aggregator knows them, and whether they still need it."""

from __future__ import annotations

from collections import Counter

from iot_fl_ros.core.messages.federation import RobotState, RobotStatus
from iot_fl_ros.exchange.presence import Presence

_AVAILABLE = (RobotState.READY, RobotState.UPLOADING)


class Roster(Presence[RobotStatus]):
    """The robots that are there. missed: rounds that a robot did not answer in time, in a row."""

    def __init__(self, lease: float) -> None:
        super().__init__(lease)
        self.missed: Counter[str] = Counter()

    def forget(self, robot_id: str) -> None:
        """Forget a robot, and what it missed."""
        super().forget(robot_id)
        self.missed.pop(robot_id, None)

    def drop_silent(self, now: float) -> list[str]:
        """Forget who was not heard for a lease, and what it missed; return their ids, sorted."""
        silent = super().drop_silent(now)
        for robot_id in silent:
            self.missed.pop(robot_id, None)
        return silent

    def available(self) -> list[str]:
        """Return the ids of the robots that can be asked now, sorted.

        They are idle, or done with the round that they last sent.
        """
        return [i for i, status in self.statuses().items() if status.state in _AVAILABLE]


_DONE = (RobotState.FINISHED, RobotState.REFUSED)


class Ending:
    """Says when a run that has finished its rounds may end. patience: time for slow robots, s."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._since: float | None = None
        self.over = False

    def begin(self, now: float) -> None:
        """Note that the last round is saved."""
        self._since = now

    def ends_now(self, roster: Roster, now: float) -> bool:
        """Return True once: when nobody needs the aggregator any more."""
        if self._since is None or self.over:
            return False
        waiting = [i for i, status in roster.statuses().items() if status.state not in _DONE]
        self.over = not waiting or now >= self._since + self._patience
        return self.over
