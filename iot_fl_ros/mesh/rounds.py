"""The rounds of a peer: whose updates count, and the own ones that neighbours still need."""

from __future__ import annotations

from collections.abc import Mapping

from iot_fl_ros.core.messages.fields import NO_DIGEST
from iot_fl_ros.core.messages.mesh import PeerChunk, PeerStatus
from iot_fl_ros.core.tensors import Tensors
from iot_fl_ros.exchange.chunking import Parcel
from iot_fl_ros.exchange.open_round import OpenRound, UpdateContract

KEPT_ROUNDS = 2


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
