"""The neighbours of a peer, by their statuses and absence."""

from __future__ import annotations

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.mesh import PeerState, PeerStatus
from iot_fl_ros.exchange.presence import Presence

MOST_NEIGHBOURS = 256
_ABSENT = (PeerState.REFUSED, PeerState.LEAVING)


class Neighbourhood(Presence[PeerStatus]):
    """The last status of each neighbour. discovers: whoever is heard is a neighbour."""

    def __init__(self, lease: float, *, discovers: bool) -> None:
        super().__init__(lease)
        self.discovers = discovers
        self.neighbours: tuple[str, ...] = ()

    def set(self, neighbours: tuple[str, ...]) -> None:
        """Have these neighbours and no others."""
        self.neighbours = tuple(sorted(neighbours))
        for robot_id in self.statuses().keys() - set(neighbours):
            self.forget(robot_id)

    def meet(self, status: PeerStatus, now: float) -> bool:
        """Take a status; return whether it is a neighbour's. MessageError if it is an old one."""
        robot_id = status.robot_id
        if status.state not in _ABSENT and robot_id not in self.neighbours:
            if not self.discovers:
                return False
            if len(self.neighbours) >= MOST_NEIGHBOURS:
                raise MessageError('too many', f'{MOST_NEIGHBOURS} neighbours are here already')
            self.neighbours = tuple(sorted({*self.neighbours, robot_id}))
        self.hear(status, now)
        if status.state in _ABSENT:
            self.forget(robot_id)
        return status.state not in _ABSENT

    def forget(self, robot_id: str) -> None:
        """Forget a status; one that was discovered is no neighbour any more."""
        super().forget(robot_id)
        if self.discovers:
            self.neighbours = tuple(i for i in self.neighbours if i != robot_id)

    def degrees(self, own: int) -> dict[str, int]:
        """Return the degree of every neighbour; `own` for those that were not heard."""
        heard = self.statuses()
        return {i: len(heard[i].neighbours) if i in heard else own for i in self.neighbours}
