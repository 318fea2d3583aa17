"""Who is there: what the aggregator knows about each robot from its statuses."""

from __future__ import annotations

from dataclasses import dataclass

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages import RobotState, RobotStatus

_MAX_MEMBERS = 10_000


@dataclass
class Member:
    """One robot; `missed` counts the rounds it was asked for and did not answer in time."""

    status: RobotStatus
    heard: float
    missed: int = 0

    @property
    def available(self) -> bool:
        """Ready to be asked: idle, or done with the round that it last sent."""
        return self.status.state in (RobotState.READY, RobotState.UPLOADING)


class Roster:
    """The robots of a fleet, made from statuses and from their absence."""

    def __init__(self, lease: float) -> None:
        self._lease = lease
        self._members: dict[str, Member] = {}

    def hear(self, status: RobotStatus, now: float) -> Member:
        """Take a status; MessageError if it is older than the last one of this robot."""
        member = self._members.get(status.robot_id)
        if member is None:
            if len(self._members) >= _MAX_MEMBERS:
                raise MessageError('roster full', f'{_MAX_MEMBERS} robots are here already')
            member = self._members[status.robot_id] = Member(status, now)
            return member
        # Stamps, not sequence numbers: a robot that starts again counts from 1.
        if status.stamp < member.status.stamp:
            raise MessageError('old status', f'status {status.sequence} is not new')
        member.status, member.heard = status, now
        return member

    def leave(self, robot_id: str) -> None:
        """Forget a robot that said goodbye."""
        self._members.pop(robot_id, None)

    def drop_silent(self, now: float) -> list[str]:
        """Forget the robots not heard for a lease; return their ids."""
        silent = [i for i, m in self._members.items() if now - m.heard > self._lease]
        for robot_id in silent:
            del self._members[robot_id]
        return sorted(silent)

    def get(self, robot_id: str) -> Member | None:
        """Return the robot of that id, if it is there."""
        return self._members.get(robot_id)

    def available(self) -> list[str]:
        """Return the ids of the robots that can be asked now, sorted."""
        return sorted(i for i, m in self._members.items() if m.available)

    def members(self) -> dict[str, Member]:
        """Return all robots that are there, sorted by id."""
        return dict(sorted(self._members.items()))
