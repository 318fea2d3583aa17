"""The participants that are there: the last status of each, until it is silent for a lease."""

from __future__ import annotations

import math
from typing import Generic, NamedTuple, TypeVar

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.fields import Status

_MOST = 10_000
# Lives of one participant that are told apart at a time.
_MOST_LIVES = 4


S = TypeVar('S', bound=Status)


class _Life(NamedTuple):
    """When a participant was heard first and last, s, and the stamp of its last status."""

    first: float
    last: float
    stamp: float


class Presence(Generic[S]):
    """Takes statuses and notices silence. most: participants that are remembered at a time."""

    def __init__(self, lease: float, most: int = _MOST) -> None:
        self._lease = lease
        self._most = most
        self._heard: dict[str, tuple[S, float]] = {}
        # The lives of each participant, by when it started.
        self._lives: dict[str, dict[float, _Life]] = {}
        self._twins: dict[str, float] = {}

    def hear(self, status: S, now: float) -> None:
        """Take a status.

        MessageError if it is older than the last one, or of the later of two participants with one
        id, or there are too many.
        """
        known = self._heard.get(status.robot_id)
        if known is None and len(self._heard) >= self._most:
            raise MessageError('too many', f'{self._most} participants are here already')
        recent = known[0] if known and now - known[1] <= self._lease else None
        twin = self._is_twin(status, recent, now)
        # Stamps, not sequence numbers: who starts again counts from 1. An older stamp after a
        # silence: its clock was put right.
        if recent and not twin and status.stamp < recent.stamp:
            raise MessageError('old status', f'status {status.sequence} is not new')
        self._heard[status.robot_id] = status, now

    def _is_twin(self, status: S, recent: S | None, now: float) -> bool:
        """Return whether two participants have this id, and this one was heard first.

        One that started again is not heard any more as who it was before. MessageError if there
        are two, and this one came later.
        """
        robot_id, started = status.robot_id, status.started
        known = self._lives.get(robot_id, {})
        lives = {one: life for one, life in known.items() if now - life.last <= self._lease}
        before = lives.get(started)
        other = recent is not None and started != recent.started
        if other and before:
            if status.stamp <= before.stamp:  # an old word again, not a sign of life
                return False
            self._twins[robot_id] = now
        first = before.first if before else now
        oldest = dict(sorted(lives.items(), key=lambda one: one[1].first)[:_MOST_LIVES])
        lives = self._lives[robot_id] = {**oldest, started: _Life(first, now, status.stamp)}
        if not other or not self.twins(robot_id, now):
            return False
        if started != min(lives, key=lambda one: lives[one].first):
            raise MessageError(
                'same id',
                f'two robots call themselves {robot_id}: give every robot an id of its own; the '
                'one that came later is refused',
            )
        return True

    def twins(self, robot_id: str, now: float) -> bool:
        """Return whether two participants with this id were heard within a lease."""
        return now - self._twins.get(robot_id, -math.inf) <= self._lease

    def forget(self, robot_id: str) -> None:
        """Forget a participant, for example one that said goodbye."""
        self._heard.pop(robot_id, None)
        self._lives.pop(robot_id, None)
        self._twins.pop(robot_id, None)

    def drop_silent(self, now: float) -> list[str]:
        """Forget who was not heard for a lease; return their ids, sorted."""
        silent = sorted(i for i, (_, heard) in self._heard.items() if now - heard > self._lease)
        for robot_id in silent:
            self.forget(robot_id)
        return silent

    def get(self, robot_id: str) -> S | None:
        """Return the last status of a participant, if it is remembered."""
        known = self._heard.get(robot_id)
        return known[0] if known else None

    def here(self, robot_id: str, now: float) -> bool:
        """Return whether a participant was heard within a lease."""
        known = self._heard.get(robot_id)
        return known is not None and now - known[1] <= self._lease

    def silence(self, robot_id: str, now: float) -> float:
        """Return for how long a participant that is remembered has not been heard, s."""
        return now - self._heard[robot_id][1]

    def statuses(self) -> dict[str, S]:
        """Return the last status of everybody who is remembered, sorted by id."""
        return {robot_id: status for robot_id, (status, _) in sorted(self._heard.items())}
