"""Whether a robot that has just started may vote: it may have made promises that it forgot."""

from __future__ import annotations


class Recollection:
    """A robot with a record on disk may vote at once. One without waits for a lease, and listens.

    What it then knows of at least half of the fleet tells every promise that it can have made
    before, if messages take less than a quarter of a lease and the others have not forgotten too:
    claims that it voted for are void or known to one of those it heard.
    """

    def __init__(self, robot_id: str, robots: tuple[str, ...], lease: float) -> None:
        self._others = set(robots) - {robot_id}
        # So many that one of them is in every majority that this robot can have been a part of.
        self._enough = min(len(robots) - len(robots) // 2, len(self._others))
        self._lease = lease
        self._heard: set[str] = set()
        self._started = 0.0
        self.remembers = False

    def start(self, now: float, *, remembers: bool) -> None:
        """Begin; remembers: there is a record of former promises."""
        self._started = now
        self.remembers = remembers

    def hear(self, robot_id: str, now: float) -> None:
        """Take note of a status; early ones may have been sent before this robot started."""
        if robot_id in self._others and now - self._started > self._lease / 2:
            self._heard.add(robot_id)

    def may_vote(self, now: float) -> bool:
        """Return whether a vote of this robot cannot contradict one that it forgot."""
        if now - self._started > self._lease and len(self._heard) >= self._enough:
            self.remembers = True
        return self.remembers
