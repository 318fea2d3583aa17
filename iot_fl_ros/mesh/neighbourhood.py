"""The neighbours of a peer, by their statuses and absence, and the rounds whose updates count."""

from __future__ import annotations

from collections.abc import Mapping

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.fields import NO_DIGEST
from iot_fl_ros.core.messages.mesh import PeerChunk, PeerState, PeerStatus
from iot_fl_ros.core.tensors import Tensors
from iot_fl_ros.exchange.chunking import Parcel
from iot_fl_ros.exchange.open_round import OpenRound, UpdateContract
from iot_fl_ros.exchange.presence import Presence

MOST_NEIGHBOURS = 256
_ABSENT = (PeerState.REFUSED, PeerState.LEAVING)
KEPT_ROUNDS = 2


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


class PeerRound(OpenRound[PeerStatus]):
    """An open round at a peer; its participants are the neighbours."""

    def __init__(self, number: int, neighbours: tuple[str, ...], opened: float) -> None:
        super().__init__(number, 0, list(neighbours), opened)
        self.passed: set[str] = set()

    def follow(self, neighbours: tuple[str, ...], live: Mapping[str, PeerStatus]) -> None:
        """See who is there: nobody waits for those who are silent, or went on without this one.

        Neighbours keep their updates of the last two rounds.
        """
        self.participants = neighbours
        self.silent = {i for i in neighbours if i not in live}
        self.passed = {
            i
            for i, status in live.items()
            if status.round >= self.number + KEPT_ROUNDS
            or (status.round > self.number and i not in self.statuses)
        }

    def all_in(self) -> bool:
        """Return whether nothing more is to be waited for."""
        done = {*self.accepted, *self.refused, *self.silent, *self.passed}
        return done.issuperset(self.participants)


class PeerRounds:
    """The open rounds of one peer."""

    def __init__(self, contract: UpdateContract, last: int) -> None:
        self._contract = contract
        self._last = last
        self._open: dict[int, PeerRound] = {}

    def __getitem__(self, number: int) -> PeerRound:
        return self._open[number]

    def open(self, number: int, neighbours: tuple[str, ...], now: float) -> None:
        """Let `number` be the round at work; drop the others but the next."""
        numbers = range(number, min(number + KEPT_ROUNDS, self._last + 1))
        self._open = {n: self._open.get(n) or PeerRound(n, neighbours, now) for n in numbers}

    def follow(self, neighbours: tuple[str, ...], live: Mapping[str, PeerStatus]) -> None:
        """Let every open round see who is there."""
        for one in self._open.values():
            one.follow(neighbours, live)

    def add_status(self, status: PeerStatus, now: float) -> None:
        """Take the announcement of an update; MessageError if the update turns out wrong."""
        one = self._open.get(status.round)
        if one is not None:
            one.add_status(status, now)
            one.settle(status.robot_id, self._contract, now)

    def add_chunk(self, chunk: PeerChunk, now: float) -> None:
        """Take a piece of an update; MessageError says why it is refused.

        Pieces that somebody else asked for again are left alone.
        """
        one = self._open.get(chunk.round)
        if one is None or chunk.sender_id in one.accepted:
            return
        one.add_chunk(chunk, self._contract)
        one.settle(chunk.sender_id, self._contract, now)


class Updates:
    """round, digest: of the update that is announced; no digest = the round has none."""

    def __init__(self) -> None:
        self.round = 0
        self.digest = NO_DIGEST
        self.kept: list[Parcel] = []

    def put(self, round: int, update: Tensors | None) -> None:
        """Take the update of `round`; None = there is none, and that is announced too."""
        self.round, self.digest = round, NO_DIGEST
        if update is not None:
            parcel = Parcel.of(update, round=round, model_version=0)
            self.kept = [*self.kept, parcel][-KEPT_ROUNDS:]
            self.digest = parcel.digest

    @property
    def newest(self) -> Parcel | None:
        """The update that is announced."""
        return self.kept[-1] if self.digest else None
