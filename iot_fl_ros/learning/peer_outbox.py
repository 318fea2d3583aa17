"""What a peer has to give: its last updates, in pieces, and what they have cost."""

from __future__ import annotations

from dataclasses import dataclass

from iot_fl_ros.core.effects import Effect, Publish
from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages import NO_DIGEST, ChunkRequest
from iot_fl_ros.core.peer_messages import PeerChunk
from iot_fl_ros.core.tensors import Tensors
from iot_fl_ros.core.transfer import Parcel
from iot_fl_ros.learning.energy import EnergySettings, Joules, joules_of
from iot_fl_ros.learning.peer_round import KEPT_ROUNDS


class Outbox:
    """The updates that neighbours may still ask for; `round` and `digest` are those announced."""

    def __init__(self, robot_id: str) -> None:
        self.run_id = ''
        self.round = 0
        self.digest = NO_DIGEST
        self._robot_id = robot_id
        self._parcels: list[Parcel] = []
        self._sequence = 0

    def put(self, round: int, update: Tensors | None) -> None:
        """Take the update of `round`; None = there is none, and that is announced too."""
        self.round, self.digest = round, NO_DIGEST
        if update is not None:
            parcel = Parcel.of(update, round=round, model_version=0)
            self._parcels = [*self._parcels, parcel][-KEPT_ROUNDS:]
            self.digest = parcel.digest

    def newest(self, now: float) -> list[Effect]:
        """Publish the announced update; nothing if there is none."""
        return self._chunks(self._parcels[-1], now) if self.digest else []

    def answer(self, request: ChunkRequest, now: float) -> list[Effect]:
        """Publish pieces again; MessageError if they are not here (any more)."""
        for parcel in self._parcels:
            if parcel.digest == request.digest:
                return self._chunks(parcel, now, request.missing)
        raise MessageError('not wanted', 'request for an update that is not here')

    def _chunks(self, parcel: Parcel, now: float, wanted: tuple[int, ...] = ()) -> list[Effect]:
        chunks = parcel.chunks(
            PeerChunk,
            run_id=self.run_id,
            sender_id=self._robot_id,
            stamp=now,
            first_sequence=self._sequence,
            wanted=wanted,
        )
        self._sequence += len(chunks)
        return [Publish(chunk, to=self._robot_id) for chunk in chunks]


@dataclass
class Costs:
    """What a peer has spent since it started: bytes, and time computing, s."""

    energy: EnergySettings
    started: float = 0.0
    bytes_received: int = 0
    bytes_sent: int = 0
    computing: float = 0.0

    def joules(self, now: float) -> Joules:
        """Return the energy spent until `now`, by the model of the settings."""
        return joules_of(
            self.energy,
            elapsed=max(0.0, now - self.started),
            training=self.computing,
            bytes_sent=self.bytes_sent,
            bytes_received=self.bytes_received,
        )
