"""One participant's end of the exchange: what it takes, what it sends, and what it refuses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from iot_fl_ros.core.effects import Effect, Publish, Warn
from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.events import BadMessage, MessageArrived
from iot_fl_ros.core.messages.chunks import Chunk, ChunkRequest
from iot_fl_ros.exchange.chunking import Parcel

Take = Callable[[Any], list[Effect]]
Indices = tuple[int, ...]
Parcels = Iterable[Parcel]
_MAX_ENTRIES = 1_000
OTHERS = '(others)'


class Endpoint:
    """Counts bytes as the receiver sees them, turns refusals into one warning each.

    id: of the participant; run_id: of the run that its messages belong to, empty = none yet.
    hears_itself: it subscribes to topics on which it publishes, so a message with its own id is
    its own, or that of somebody of the same name. Head and tail do not: a robot may be called as
    the edge is.
    """

    def __init__(self, own_id: str, *, hears_itself: bool = True) -> None:
        self.id = own_id
        self.run_id = ''
        self._hears_itself = hears_itself
        self.refusals = Refusals()
        self.bytes_received = 0
        self.bytes_sent = 0
        self._statuses = 0
        self._started: float | None = None
        self._chunks = 0

    # --- in -------------------------------------------------------------------------------------

    def take(self, arrived: MessageArrived, handle: Take) -> list[Effect]:
        """Let `handle` take a message; a MessageError that it raises costs one warning.

        What this participant published for all and the transport hands back is left alone.
        """
        message = arrived.message
        if self._hears_itself and message.sender == self.id:
            return self._from_itself(message)
        self.bytes_received += arrived.wire_bytes
        return self.guard(message, handle)

    def guard(self, message: Any, handle: Take) -> list[Effect]:
        """Let `handle` take a message that was counted before, for example one that was kept."""
        try:
            return handle(message)
        except MessageError as error:
            return [self.refuse(message.sender, f'{message.TOPIC}: {error.reason}', str(error))]

    def bad(self, event: BadMessage) -> list[Effect]:
        """Count bytes that are no valid message."""
        self.bytes_received += event.wire_bytes
        return [self.refuse(event.sender, f'{event.topic}: {event.reason}')]

    def check_run(self, message: Any, hint: str = '') -> None:
        """Raise MessageError unless a message belongs to this participant's run."""
        if message.run_id != self.run_id:
            text = f'{message.sender} is in run {message.run_id!r}, {self.id} in {self.run_id!r}'
            raise MessageError('foreign run', f'{text}: {hint}' if hint else text)

    def refuse(self, sender: str, reason: str, detail: str = '') -> Warn:
        """Count a refusal; return what to tell the operator."""
        self.refusals.add(sender, reason)
        return Warn(f'{sender} {reason}', f'refused from {sender or "?"}: {detail or reason}')

    def _from_itself(self, message: Any) -> list[Effect]:
        """A status beyond the last one sent comes from another participant of the same name."""
        foreign = message.DELIVERY.liveliness and message.sequence > self._statuses
        text = 'somebody else has this robot id: give every robot an id of its own'
        return [self.refuse(self.id, 'same name', text)] if foreign else []

    # --- out ------------------------------------------------------------------------------------

    def note_sent(self, wire_bytes: int) -> None:
        """Count bytes that the driver sent for this participant."""
        self.bytes_sent += wire_bytes

    def byte_counts(self) -> dict[str, int]:
        """Return what was sent and received so far."""
        return {'bytes_sent': self.bytes_sent, 'bytes_received': self.bytes_received}

    def status_head(self, now: float) -> dict[str, Any]:
        """Return the fields that the next status begins with, and the byte counts."""
        self._statuses += 1
        if self._started is None:  # its first status is sent when it starts
            self._started = now
        return {
            'stamp': now,
            'run_id': self.run_id,
            'robot_id': self.id,
            'sequence': self._statuses,
            'started': self._started,
            **self.byte_counts(),
        }

    def head(self, now: float) -> dict[str, Any]:
        """Return the fields that every message of this participant begins with."""
        return {'stamp': now, 'run_id': self.run_id, 'sender_id': self.id}

    def send(
        self, kind: type[Chunk], parcel: Parcel, now: float, wanted: Indices = (), to: str = ''
    ) -> list[Effect]:
        """Publish the `wanted` chunks of a parcel (empty = all); to: robot whose topic it is."""
        chunks = parcel.chunks(kind, self.run_id, self.id, now, self._chunks, wanted)
        self._chunks += len(chunks)
        return [Publish(chunk, to) for chunk in chunks]

    def answer(
        self, request: ChunkRequest, kind: type[Chunk], kept: Parcels, now: float, to: str = ''
    ) -> list[Effect]:
        """Publish pieces again; MessageError if they are not here (any more)."""
        for parcel in kept:
            if parcel.digest == request.digest:
                return self.send(kind, parcel, now, request.missing, to)
        raise MessageError('not wanted', 'request for tensors that are not kept')

    def request(self, receiver: str, digest: bytes, missing: Indices, now: float) -> Publish:
        """Ask for chunks of a set (empty = all)."""
        head = self.head(now)
        return Publish(ChunkRequest(**head, receiver_id=receiver, digest=digest, missing=missing))


class Refusals(Counter[tuple[str, str]]):
    """Counts per (sender, reason). Senders beyond the first thousand share one name."""

    def add(self, sender: str, reason: str) -> None:
        """Count one."""
        known = (sender, reason) in self or len(self) < _MAX_ENTRIES
        self[(sender if known else OTHERS), reason] += 1
