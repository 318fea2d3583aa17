"""Who is there: what a Tram-FL robot knows of the others from their statuses."""

from __future__ import annotations

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.tram_messages import TokenState, TramState, TramStatus
from iot_fl_ros.learning.tram.routing import Site

_ABSENT = (TramState.REFUSED, TramState.LEAVING)


class TramRoster:
    """The statuses of the robots of the fleet, and when they were heard."""

    def __init__(self, robot_id: str, robots: tuple[str, ...], lease: float) -> None:
        self.robots = robots
        self.majority = len(robots) // 2 + 1
        self._me = robot_id
        self._lease = lease
        self._heard: dict[str, tuple[TramStatus, float]] = {}
        self._link_rates: dict[str, float] = {}

    def hear(self, status: TramStatus, now: float) -> None:
        """Take a status; MessageError if it is of no robot of the fleet, or old."""
        if status.robot_id not in self.robots:
            raise MessageError('not of the fleet', f'{status.robot_id!r} is not in tram.robots')
        known = self._heard.get(status.robot_id)
        # Stamps, not sequence numbers: a robot that starts again counts from 1.
        # An older stamp after a silence: its clock was put right.
        if known and status.stamp < known[0].stamp and now - known[1] <= self._lease:
            raise MessageError('old status', f'status {status.sequence} is not new')
        self._heard[status.robot_id] = status, now

    def measure_link(self, robot_id: str, bytes_per_second: float) -> None:
        """Take note of how fast a token went to a robot."""
        self._link_rates[robot_id] = bytes_per_second

    def there(self, robot_id: str, now: float) -> bool:
        """Return whether another robot was heard within a lease and takes part."""
        status, heard = self._heard.get(robot_id, (None, 0.0))
        return status is not None and status.state not in _ABSENT and now - heard <= self._lease

    def present(self, now: float) -> list[str]:
        """Return the other robots that are there, sorted."""
        return [r for r in sorted(self.robots) if r != self._me and self.there(r, now)]

    def holder_of(self, token_id: int, fence: int, now: float) -> str:
        """Return a robot that says it holds the token, with that fence or higher; '' = none."""
        for robot_id in self.present(now):
            status = self._heard[robot_id][0]
            held = status.token_states[token_id] == TokenState.HELD
            if held and status.fences[token_id] >= fence:
                return robot_id
        return ''

    def finished(self, token_id: int, now: float) -> int:
        """Return how many other robots that are there say that the token is finished."""
        states = [self._heard[r][0].token_states[token_id] for r in self.present(now)]
        return states.count(TokenState.FINISHED)

    def sites(self, own: Site, now: float) -> dict[str, Site]:
        """Return the robots where a token could train, this one (`own`) among them."""
        sites = {self._me: own}
        for robot_id in self.present(now):
            status = self._heard[robot_id][0]
            if len(status.class_counts) == len(own.class_counts):
                rate = self._link_rates.get(robot_id, status.link_rate)
                sites[robot_id] = Site(status.class_counts, status.batch_seconds, rate)
        return sites

    def done(self, now: float) -> bool:
        """Return whether every other robot that is there says that all tokens are finished."""
        return all(self._heard[r][0].state == TramState.FINISHED for r in self.present(now))
