"""One open round at the aggregator: who was asked, what has arrived, when it may close."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages import AGGREGATOR, ChunkRequest, RobotStatus, TensorChunk
from iot_fl_ros.core.repair import FIRST_DELAY, Repair
from iot_fl_ros.core.tensors import Tensors, all_allowed
from iot_fl_ros.core.transfer import Assembly
from iot_fl_ros.learning.method import Method, Update

# Sets of tensors that one name may have in the making: its own and one false start.
_MAX_SETS = 2


class OpenRound:
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
        self.statuses: dict[str, RobotStatus] = {}
        # When updates were announced (not those that were before the round) and whole, s.
        self.announced: dict[str, float] = {}
        self.arrived: dict[str, float] = {}
        self.refused: set[str] = set()
        self.silent: set[str] = set()
        self._sets: dict[str, dict[bytes, Assembly]] = {}
        self._repairs: dict[str, tuple[Repair, float]] = {}
        self._patience = patience

    def add_status(self, status: RobotStatus, now: float) -> None:
        """Take the announcement of an update."""
        robot_id = status.robot_id
        if robot_id not in self.participants or robot_id in self.accepted:
            return
        if status.round != self.number:
            return
        self.silent.discard(robot_id)
        if not status.update_digest:
            self.refused.add(robot_id)  # its training failed
            return
        if robot_id not in self.statuses and now > self.opened:
            self.announced[robot_id] = now
        self.statuses[robot_id] = status
        delay = max(FIRST_DELAY, self._patience.get(robot_id, 0.0))
        self._repairs.setdefault(robot_id, (Repair(), now + delay))

    def add_chunk(self, chunk: TensorChunk, method: Method) -> None:
        """Take a piece of an update; MessageError says why it is refused."""
        robot_id = chunk.sender_id
        if robot_id not in self.participants:
            raise MessageError('not asked', f'{robot_id!r} does not take part in this round')
        if chunk.round != self.number or chunk.model_version != self.model_version:
            raise MessageError('wrong round', f'round {chunk.round}, open is {self.number}')
        if robot_id in self.accepted:
            raise MessageError('duplicate', 'its update of this round is already here')
        if not all_allowed(method.update_specs(self.number), chunk.specs):
            raise MessageError('wrong tensors', f'{chunk.specs} is not what the method sends')
        sets = self._sets.setdefault(robot_id, {})
        if chunk.digest not in sets:
            self._make_room(robot_id, sets)
            sets[chunk.digest] = Assembly(chunk)
        sets[chunk.digest].add(chunk)

    def settle(self, robot_id: str, method: Method, now: float) -> bool:
        """Accept the update of `robot_id` if it is whole and announced; return whether it is.

        MessageError if it is whole but wrong; then it is forgotten and can be sent again.
        """
        status = self.statuses.get(robot_id)
        if status is None or robot_id in self.accepted:
            return False
        assembly = self._sets.get(robot_id, {}).get(status.update_digest)
        if assembly is None or assembly.missing:
            return False
        del self._sets[robot_id][status.update_digest]
        tensors: Tensors = assembly.tensors()
        try:
            method.check_values(tensors, self.number)
        except MessageError:
            self.refused.add(robot_id)
            raise
        self.accepted[robot_id] = Update(robot_id, tensors, status.samples)
        self.arrived[robot_id] = now
        self._sets.pop(robot_id)
        self.refused.discard(robot_id)
        return True

    def wanted(self, now: float) -> list[tuple[str, bytes, tuple[int, ...]]]:
        """Return (robot id, digest, chunks) to ask for: announced updates that stopped coming."""
        requests = []
        for robot_id, status in sorted(self.statuses.items()):
            if robot_id in self.accepted or robot_id in self.refused or robot_id in self.silent:
                continue
            repair, due = self._repairs[robot_id]
            assembly = self._sets.get(robot_id, {}).get(status.update_digest)
            if assembly is not None and assembly.progressed:
                assembly.progressed = False
                repair.progressed()
            elif now >= due:
                missing = assembly.missing if assembly else ()
                requests.append((robot_id, status.update_digest, repair.wanted(missing)))
            else:
                continue
            self._repairs[robot_id] = repair, now + repair.delay
        return requests

    def requests(self, run_id: str, now: float) -> list[ChunkRequest]:
        """Return what to publish for what is wanted."""
        return [
            ChunkRequest(
                stamp=now,
                run_id=run_id,
                sender_id=AGGREGATOR,
                receiver_id=robot_id,
                digest=digest,
                missing=missing,
            )
            for robot_id, digest, missing in self.wanted(now)
        ]

    def complete(self, quorum: int) -> bool:
        """Return whether nothing more is to be waited for (quorum 0 = all participants)."""
        if quorum and len(self.accepted) >= quorum:
            return True
        return all(
            i in self.accepted or i in self.refused or i in self.silent for i in self.participants
        )

    def updates(self) -> list[Update]:
        """Return the accepted updates sorted by robot id."""
        return [update for _, update in sorted(self.accepted.items())]

    def late(self) -> list[str]:
        """Return the participants that did not answer."""
        gone = {*self.accepted, *self.refused, *self.silent}
        return [robot_id for robot_id in self.participants if robot_id not in gone]

    def _make_room(self, robot_id: str, sets: dict[bytes, Assembly]) -> None:
        """Keep the announced set; drop the oldest other one when there are too many."""
        announced = self.statuses.get(robot_id)
        others = [d for d in sets if announced is None or d != announced.update_digest]
        if len(sets) >= _MAX_SETS and others:
            del sets[others[0]]
