"""State that the machines of one Tram-FL robot share."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from iot_fl_ros.core.effects import Record
from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.token import TokenState, TramState, TramStatus
from iot_fl_ros.core.tensors import TensorSpec
from iot_fl_ros.exchange.endpoint import Endpoint
from iot_fl_ros.exchange.presence import Presence
from iot_fl_ros.token.acceptor import Acceptor, Recovery
from iot_fl_ros.token.routing import Site
from iot_fl_ros.token.settings import TramNodeSettings

# Part of a lease after which offers and claims are repeated.
REPEAT = 0.1
_ABSENT = (TramState.REFUSED, TramState.LEAVING)


@dataclass
class NodeContext:
    """One robot: who it is, what it promised, whom it knows."""

    endpoint: Endpoint
    settings: TramNodeSettings
    acceptor: Acceptor
    roster: TramRoster
    recovery: Recovery
    specs: tuple[TensorSpec, ...] = ()
    site: Site = field(default_factory=lambda: Site(()))
    accuracy: float = float('nan')
    loss: float = float('nan')
    train_seconds: float = 0.0
    updates: int = 0

    @property
    def robot_id(self) -> str:
        """Id of the robot."""
        return self.endpoint.id

    @property
    def token_bytes(self) -> int:
        """Size of a token's tensors, bytes."""
        return sum(spec.nbytes for spec in self.specs)

    def measure_link(self, robot_id: str, seconds: float) -> None:
        """A hand-over to a robot took so long, votes and all."""
        rate = self.token_bytes / seconds
        self.roster.measure_link(robot_id, rate)
        self.site = replace(self.site, link_rate=rate)

    def recollect(self, status: TramStatus, now: float) -> None:
        """Let a robot that has forgotten its promises learn from those of others."""
        self.recovery.hear(status.robot_id, now)
        if not self.recovery.remembers:
            for token_id, number in enumerate(status.promised):
                fence, base = status.fences[token_id], status.bases[token_id]
                self.acceptor.learn(token_id, number, fence, base)

    def row(self, kind: str, token_id: int, now: float, **values: Any) -> Record:
        """Return a row of events.jsonl."""
        return Record(
            {'kind': kind, 'token': token_id, 'robot': self.robot_id, 'time': now, **values}
        )


class TramRoster(Presence[TramStatus]):
    """The robots of the fleet and their statuses."""

    def __init__(self, robot_id: str, robots: tuple[str, ...], lease: float) -> None:
        super().__init__(lease)
        self.robots = robots
        self.majority = len(robots) // 2 + 1
        self._own_id = robot_id
        self._link_rates: dict[str, float] = {}

    def meet(self, status: TramStatus, now: float) -> None:
        """Take a status; MessageError if it is of no robot of the fleet, or old."""
        if status.robot_id not in self.robots:
            raise MessageError('not of the fleet', f'{status.robot_id!r} is not in tram.robots')
        self.hear(status, now)

    def measure_link(self, robot_id: str, bytes_per_second: float) -> None:
        """Take note of how fast a token went to a robot."""
        self._link_rates[robot_id] = bytes_per_second

    def there(self, robot_id: str, now: float) -> bool:
        """Return whether another robot was heard within a lease and takes part."""
        status = self.get(robot_id)
        return status is not None and status.state not in _ABSENT and self.here(robot_id, now)

    def present(self, now: float) -> list[str]:
        """Return the other robots that are there, sorted."""
        return [r for r in sorted(self.robots) if r != self._own_id and self.there(r, now)]

    def _present_statuses(self, now: float) -> dict[str, TramStatus]:
        statuses = self.statuses()
        return {robot_id: statuses[robot_id] for robot_id in self.present(now)}

    def holder_of(self, token_id: int, fence: int, now: float) -> str:
        """Return a robot that says it holds the token, with that fence or higher; '' = none."""
        for robot_id, status in self._present_statuses(now).items():
            held = status.token_states[token_id] == TokenState.HELD
            if held and status.fences[token_id] >= fence:
                return robot_id
        return ''

    def finished(self, token_id: int, now: float) -> int:
        """Return how many other robots that are there say that the token is finished."""
        states = [one.token_states[token_id] for one in self._present_statuses(now).values()]
        return states.count(TokenState.FINISHED)

    def sites(self, own: Site, now: float) -> dict[str, Site]:
        """Return the robots where a token could train, this one (`own`) among them."""
        sites = {self._own_id: own}
        for robot_id, status in self._present_statuses(now).items():
            if len(status.class_counts) == len(own.class_counts):
                rate = self._link_rates.get(robot_id, status.link_rate)
                sites[robot_id] = Site(status.class_counts, status.batch_seconds, rate)
        return sites

    def done(self, now: float) -> bool:
        """Return whether every other robot that is there says that all tokens are finished."""
        statuses = self._present_statuses(now).values()
        return all(status.state == TramState.FINISHED for status in statuses)
