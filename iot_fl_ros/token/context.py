"""State that the machines of one Tram-FL robot share."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from iot_fl_ros.core.effects import Record
from iot_fl_ros.core.messages.token import TramStatus
from iot_fl_ros.core.tensors import TensorSpec
from iot_fl_ros.exchange.endpoint import Endpoint
from iot_fl_ros.token.acceptor import Acceptor, Recovery
from iot_fl_ros.token.roster import TramRoster
from iot_fl_ros.token.routing import Site
from iot_fl_ros.token.settings import TramNodeSettings

# Part of a lease after which offers and claims are repeated.
REPEAT = 0.1


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
