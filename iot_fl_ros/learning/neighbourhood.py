"""Who is near: what a peer knows about others from their statuses, and from their absence."""

from __future__ import annotations

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.peer_messages import PeerState, PeerStatus

MOST_NEIGHBOURS = 256
_ABSENT = (PeerState.REFUSED, PeerState.LEAVING)


class Neighbourhood:
    """The last status of each neighbour. discovers: whoever is heard is a neighbour."""

    def __init__(self, lease: float, *, discovers: bool) -> None:
        self._lease = lease
        self.discovers = discovers
        self._heard: dict[str, tuple[PeerStatus, float]] = {}
        self.neighbours: tuple[str, ...] = ()

    def set(self, neighbours: tuple[str, ...]) -> None:
        """Have these neighbours and no others."""
        self.neighbours = tuple(sorted(neighbours))
        for robot_id in self._heard.keys() - set(neighbours):
            del self._heard[robot_id]

    def hear(self, status: PeerStatus, now: float) -> bool:
        """Take a status; return whether it is a neighbour's. MessageError if it is an old one."""
        robot_id = status.robot_id
        known = self._heard.get(robot_id)
        # Stamps, not sequence numbers: a peer that starts again counts from 1.
        if known and status.stamp < known[0].stamp:
            raise MessageError('old status', f'status {status.sequence} is not new')
        if status.state in _ABSENT:
            self._heard.pop(robot_id, None)
            if self.discovers:
                self.neighbours = tuple(i for i in self.neighbours if i != robot_id)
            return False
        if robot_id not in self.neighbours:
            if not self.discovers:
                return False
            if len(self.neighbours) >= MOST_NEIGHBOURS:
                raise MessageError('too many', f'{MOST_NEIGHBOURS} neighbours are here already')
            self.neighbours = tuple(sorted({*self.neighbours, robot_id}))
        self._heard[robot_id] = status, now
        return True

    def drop_silent(self, now: float) -> list[str]:
        """Forget who was not heard for a lease; return their ids, sorted."""
        silent = sorted(i for i, (_, heard) in self._heard.items() if now - heard > self._lease)
        for robot_id in silent:
            del self._heard[robot_id]
        if self.discovers and silent:
            self.neighbours = tuple(i for i in self.neighbours if i not in silent)
        return silent

    def live(self) -> dict[str, PeerStatus]:
        """Return the last status of every neighbour that is there, sorted by id."""
        return {robot_id: status for robot_id, (status, _) in sorted(self._heard.items())}

    def degrees(self, own: int) -> dict[str, int]:
        """Return the degree of every neighbour; `own` for those that were not heard."""
        return {
            i: len(self._heard[i][0].neighbours) if i in self._heard else own
            for i in self.neighbours
        }
