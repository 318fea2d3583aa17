"""The end of a run at the aggregator: robots get the result, or are too slow for it."""

from __future__ import annotations

from iot_fl_ros.core.messages.federation import RobotState
from iot_fl_ros.federation.roster import Roster

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
