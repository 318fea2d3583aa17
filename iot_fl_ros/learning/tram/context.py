"""What the parts of a Tram-FL robot share."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from iot_fl_ros.core.counters import Refusals
from iot_fl_ros.core.effects import Record, Warn
from iot_fl_ros.core.tensors import TensorSpec
from iot_fl_ros.core.tram_messages import TramStatus
from iot_fl_ros.learning.tram.promises import Promises
from iot_fl_ros.learning.tram.recollection import Recollection
from iot_fl_ros.learning.tram.roster import TramRoster
from iot_fl_ros.learning.tram.routing import Site
from iot_fl_ros.learning.tram.settings import TramNodeSettings

# Part of a lease after which offers and claims are repeated.
REPEAT = 0.1


@dataclass
class Context:
    """One robot: who it is, what it promised, whom it knows."""

    robot_id: str
    settings: TramNodeSettings
    promises: Promises
    roster: TramRoster
    recollection: Recollection
    run_id: str = ''
    specs: tuple[TensorSpec, ...] = ()
    site: Site = field(default_factory=lambda: Site(()))
    refusals: Refusals = field(default_factory=Refusals)
    accuracy: float = float('nan')
    loss: float = float('nan')
    train_seconds: float = 0.0
    updates: int = 0
    sequence: int = 0

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
        self.recollection.hear(status.robot_id, now)
        if not self.recollection.remembers:
            for token_id, number in enumerate(status.promised):
                fence, base = status.fences[token_id], status.bases[token_id]
                self.promises.learn(token_id, number, fence, base)

    def refuse(self, sender: str, reason: str, detail: str = '') -> Warn:
        """Count a refusal and tell the operator."""
        self.refusals.add(sender, reason)
        return Warn(f'{sender} {reason}', f'refused from {sender or "?"}: {detail or reason}')

    def row(self, kind: str, token_id: int, now: float, **values: Any) -> Record:
        """Return a row of events.jsonl."""
        return Record(
            {'kind': kind, 'token': token_id, 'robot': self.robot_id, 'time': now, **values}
        )
