"""The right of a robot to claim a token that nobody offered to it."""

from __future__ import annotations

from iot_fl_ros.token.context import NodeContext

# Part of a lease over which robots spread their claims to a token that was lost.
_SPREAD = 0.25


class Takeover:
    """Watches one token from a robot that does not hold it. starter: who begins with it."""

    def __init__(self, token_id: int, context: NodeContext, starter: str) -> None:
        self._token_id = token_id
        self._node = context
        self._starter = starter
        self._since: float | None = None

    def calm(self) -> None:
        """The token has a holder."""
        self._since = None

    def may_claim(self, base: int, now: float) -> bool:
        """Return whether the token has no holder, and a copy with that base continues it."""
        node = self._node
        promise = node.acceptor.promises[self._token_id]
        seen = len(node.roster.present(now)) + 1
        held = node.roster.holder_of(self._token_id, promise.fence, now)
        if seen < node.roster.majority or held or not node.recovery.may_vote(now):
            self._since = None
            return False
        if not promise.fence:
            return self._may_begin(now, seen)
        mine = promise.holder == node.robot_id  # before a restart
        alive = node.acceptor.alive(self._token_id, now) and not mine
        if alive or not node.acceptor.useful(self._token_id, base, now):
            self._since = None
            return False
        place = node.roster.robots.index(node.robot_id) / len(node.roster.robots)
        return self._waited(now) >= _SPREAD * node.settings.run.lease * place

    def _may_begin(self, now: float, seen: int) -> bool:
        """The starter begins when all are there; if it does not come, others do, one by one."""
        node, run = self._node, self._node.settings.run
        robots = node.roster.robots
        waited = self._waited(now)
        if node.robot_id == self._starter:
            return seen == len(robots) or waited >= run.start_timeout
        rank = (robots.index(node.robot_id) - robots.index(self._starter)) % len(robots)
        return waited >= run.start_timeout + rank * run.lease

    def _waited(self, now: float) -> float:
        if self._since is None:
            self._since = now
        return now - self._since
