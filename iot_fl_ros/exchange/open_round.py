"""One open round: whose updates are awaited, what has arrived, when it may close."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic, Protocol, TypeVar

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.chunks import Chunk
from iot_fl_ros.core.tensors import Tensors, TensorSpec, all_allowed
from iot_fl_ros.exchange.inbox import FIRST_DELAY, Inbox


class UpdateContract(Protocol):
    """The part of a method that a round needs to collect updates."""

    def update_specs(self, round: int) -> tuple[TensorSpec, ...]:
        """Return the tensors of an update of `round`."""

    def check_values(self, tensors: Tensors, round: int) -> None:
        """Raise MessageError if values of an update cannot be right."""


class Announcement(Protocol):
    """The part of a status that announces an update."""

    @property
    def robot_id(self) -> str:
        """Its sender."""

    @property
    def round(self) -> int:
        """The round of the update."""

    @property
    def update_digest(self) -> bytes:
        """Digest of the update; empty = its training failed."""

    @property
    def samples(self) -> int:
        """Size of the sender's private set."""


A = TypeVar('A', bound=Announcement)


@dataclass(frozen=True)
class Update:
    """Contribution of one robot to a round; `samples` is the size of its private set."""

    robot_id: str
    tensors: Tensors
    samples: int


class OpenRound(Generic[A]):
    """Collects the updates of one round. An update counts when its tensors are whole, right, and
    announced by a status of the same robot; every robot counts once.

    patience: time that an upload may take before pieces are asked for again, s, where known.
    """

    def __init__(
        self,
        number: int,
        model_version: int,
        participants: list[str],
        opened: float,
        patience: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self.number = number
        self.model_version = model_version
        self.participants = tuple(sorted(participants))
        self.opened = opened
        self.accepted: dict[str, Update] = {}
        self.statuses: dict[str, A] = {}
        # When updates were announced (not those that were before the round) and whole, s.
        self.announced: dict[str, float] = {}
        self.arrived: dict[str, float] = {}
        self.refused: set[str] = set()
        self.silent: set[str] = set()
        self._inboxes: defaultdict[str, Inbox] = defaultdict(Inbox)
        # When to look next whether an announced update still comes, s.
        self._due: dict[str, float] = {}
        self._patience = patience

    def add_status(self, status: A, now: float) -> None:
        """Take the announcement of an update."""
        robot_id = status.robot_id
        takes_part = robot_id in self.participants and robot_id not in self.accepted
        if not takes_part or status.round != self.number:
            return
        self.silent.discard(robot_id)
        if not status.update_digest:
            self.refused.add(robot_id)  # its training failed
            return
        if robot_id not in self.statuses and now > self.opened:
            self.announced[robot_id] = now
        self.statuses[robot_id] = status
        self._inboxes[robot_id].expect(status.update_digest)
        delay = max(FIRST_DELAY, self._patience.get(robot_id, 0.0))
        self._due.setdefault(robot_id, now + delay)

    def refuse(self, robot_id: str) -> None:
        """Wait no longer for a robot that does not take part."""
        if robot_id in self.participants:
            self.refused.add(robot_id)

    def add_chunk(self, chunk: Chunk, contract: UpdateContract) -> None:
        """Take a piece of an update; MessageError says why it is refused."""
        robot_id = chunk.sender_id
        if robot_id not in self.participants:
            raise MessageError('not asked', f'{robot_id!r} does not take part in this round')
        expected = {'round': self.number, 'model_version': self.model_version}
        if chunk.labels != expected:
            raise MessageError('wrong round', f'{chunk.labels}, open is {expected}')
        if robot_id in self.accepted:
            raise MessageError('duplicate', 'its update of this round is already here')
        if not all_allowed(contract.update_specs(self.number), chunk.specs):
            raise MessageError('wrong tensors', f'{chunk.specs} is not what the method sends')
        self._inboxes[robot_id].add(chunk)

    def settle(self, robot_id: str, contract: UpdateContract, now: float) -> bool:
        """Accept the update of `robot_id` if it is whole and announced; return whether it is.

        MessageError if it is whole but wrong; then it is forgotten and can be sent again.
        """
        status = self.statuses.get(robot_id)
        if status is None or robot_id in self.accepted:
            return False
        tensors = self._inboxes[robot_id].take(status.update_digest)
        if tensors is None:
            return False
        try:
            contract.check_values(tensors, self.number)
        except MessageError:
            self.refused.add(robot_id)
            raise
        self.accepted[robot_id] = Update(robot_id, tensors, status.samples)
        self.arrived[robot_id] = now
        self._inboxes.pop(robot_id)
        self.refused.discard(robot_id)
        return True

    def wanted(self, now: float) -> list[tuple[str, bytes, tuple[int, ...]]]:
        """Return (robot id, digest, chunks) to ask for: announced updates that stopped coming."""
        requests = []
        gone = self._gone()
        for robot_id, status in sorted(self.statuses.items()):
            if robot_id in gone:
                continue
            inbox = self._inboxes[robot_id]
            if inbox.progressed or now >= self._due[robot_id]:
                missing = inbox.to_request()
                if missing is not None:
                    requests.append((robot_id, status.update_digest, missing))
                self._due[robot_id] = now + inbox.delay
        return requests

    def complete(self, quorum: int) -> bool:
        """Return whether nothing more is to be waited for (quorum 0 = all participants)."""
        gone = self._gone()
        return bool(quorum and len(self.accepted) >= quorum) or gone.issuperset(self.participants)

    def updates(self) -> list[Update]:
        """Return the accepted updates sorted by robot id."""
        return [update for _, update in sorted(self.accepted.items())]

    def late(self) -> list[str]:
        """Return the participants that did not answer in time."""
        gone = self._gone()
        return [robot_id for robot_id in self.participants if robot_id not in gone]

    def _gone(self) -> set[str]:
        """Return the robots that are not waited for any more."""
        return {*self.accepted, *self.refused, *self.silent}
