"""The messages of Tram-FL: one dataclass per file in `msg/`, same fields."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages import fields as wire
from iot_fl_ros.core.messages.chunks import Chunk
from iot_fl_ros.core.messages.delivery import Delivery, Role
from iot_fl_ros.core.messages.fields import (
    FromSender,
    Status,
    check_digest,
    check_enum,
    check_range,
)
from iot_fl_ros.core.names import check_robot_id

MAX_TOKENS = 64
# Far beyond what a fleet can use up, and far below where numbers end.
MAX_FENCE = 1 << 62
MAX_COUNT = 1 << 30


class TramState(IntEnum):
    """Values of `TramStatus.state`."""

    PREPARING = 0
    READY = 1
    TRAINING = 2
    OFFERING = 3
    FINISHED = 4
    REFUSED = 5
    LEAVING = 6


class TokenState(IntEnum):
    """Values of `TramStatus.token_states`."""

    ELSEWHERE = 0
    HELD = 1
    FINISHED = 2


class ClaimPhase(IntEnum):
    """Values of `TokenClaim.phase` and `TokenVote.phase`."""

    PREPARE = 0
    ACCEPT = 1


class TokenPhase(IntEnum):
    """Values of `TokenOffer.phase`."""

    TRAINING = 0
    DELIVERING = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TramStatus(Status):
    """Status of a robot, and its promises about the tokens."""

    TOPIC: ClassVar[str] = 'tram_status'
    DELIVERY: ClassVar[Delivery] = Delivery(
        (Role.TRAM,), (Role.TRAM,), from_many=True, depth=10, liveliness=True
    )
    class_counts: wire.UInt32s
    token_states: wire.UInt8s
    promised: wire.UInt64s
    fences: wire.UInt64s
    bases: wire.UInt64s
    batch_seconds: wire.Measure
    link_rate: wire.Measure
    updates: wire.UInt64
    loss: wire.Measure
    accuracy: wire.Measure
    train_seconds: wire.Float64
    bytes_received: wire.UInt64
    bytes_sent: wire.UInt64
    joules: wire.Float64

    def check(self) -> None:
        """Names can be topics, lists have one entry a token, figures are possible ones."""
        check_robot_id(self.robot_id)
        check_enum('state', self.state, TramState)
        tokens = len(self.token_states)
        lists = (self.promised, self.fences, self.bases)
        if tokens > MAX_TOKENS or any(len(values) != tokens for values in lists):
            raise MessageError('bad length', 'states and promises need one entry a token')
        for state in self.token_states:
            check_enum('token_states', state, TokenState)
        check_range(self, 'accuracy', high=1)
        check_range(self, 'train_seconds', 'joules', 'batch_seconds')
        _check_fences(*self.promised, *self.fences, *self.bases)
        if self.link_rate <= 0:
            raise MessageError('out of range', 'link_rate must be positive')


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenOffer(FromSender):
    """The holder offers a token."""

    TOPIC: ClassVar[str] = 'token_offers'
    DELIVERY: ClassVar[Delivery] = Delivery((Role.TRAM,), (Role.TRAM,), from_many=True, depth=100)
    receiver_id: wire.Text
    token_id: wire.UInt32
    fence: wire.UInt64
    digest: wire.Digest
    phase: wire.UInt8
    visits: wire.UInt32
    updates: wire.UInt64
    cycle: wire.UInt32
    route: wire.Texts
    shares: wire.UInt32s
    position: wire.UInt32
    class_usage: wire.UInt64s

    def check(self) -> None:
        """The plan leads to the receiver."""
        check_range(self, 'token_id', high=MAX_TOKENS - 1)
        check_enum('phase', self.phase, TokenPhase)
        check_digest('digest', self.digest, True)
        _check_fences(self.fence)
        check_range(self, 'visits', 'updates', 'cycle', high=MAX_COUNT)
        if max(self.class_usage, default=0) > MAX_COUNT:
            raise MessageError('out of range', f'class_usage is over {MAX_COUNT}')
        if not self.fence:
            raise MessageError('out of range', 'who offers a token holds it with a fence')
        for robot_id in (self.sender_id, *self.route):
            check_robot_id(robot_id)
        if len(self.route) != len(self.shares) or len(set(self.route)) != len(self.route):
            raise MessageError('bad length', 'each robot of a route needs one share')
        if self.position >= len(self.route) or self.route[self.position] != self.receiver_id:
            raise MessageError('bad route', f'{self.receiver_id!r} is not next on the route')


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenClaim(FromSender):
    """A robot asks for the right to hold a token."""

    TOPIC: ClassVar[str] = 'token_claims'
    DELIVERY: ClassVar[Delivery] = Delivery((Role.TRAM,), (Role.TRAM,), from_many=True, depth=100)
    token_id: wire.UInt32
    phase: wire.UInt8
    fence: wire.UInt64
    base: wire.UInt64

    def check(self) -> None:
        """`base` must be below `fence`."""
        check_range(self, 'token_id', high=MAX_TOKENS - 1)
        check_enum('phase', self.phase, ClaimPhase)
        check_robot_id(self.sender_id)
        _check_fences(self.fence)
        if self.base >= self.fence:
            raise MessageError('out of range', f'fence {self.fence} is not after base {self.base}')


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenVote(FromSender):
    """The answer to a claim."""

    TOPIC: ClassVar[str] = 'token_votes'
    DELIVERY: ClassVar[Delivery] = Delivery((Role.TRAM,), (Role.TRAM,), from_many=True, depth=100)
    candidate_id: wire.Text
    token_id: wire.UInt32
    phase: wire.UInt8
    fence: wire.UInt64
    granted: wire.UInt8
    promised: wire.UInt64

    def check(self) -> None:
        """It is a vote of a robot about a token."""
        check_range(self, 'token_id', high=MAX_TOKENS - 1)
        check_enum('phase', self.phase, ClaimPhase)
        check_robot_id(self.sender_id)
        _check_fences(self.fence, self.promised)
        check_range(self, 'granted', high=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenChunk(Chunk):
    """One piece of a token's tensors, on the topic in the receiver's namespace."""

    TOPIC: ClassVar[str] = 'token_chunks'
    DELIVERY: ClassVar[Delivery] = Delivery(
        (Role.TRAM,), (Role.TRAM,), robot_topic=True, from_many=True, keep_all=True
    )
    LABELS: ClassVar[tuple[str, ...]] = ('token_id', 'visits')
    token_id: wire.UInt32
    visits: wire.UInt32


def _check_fences(*fences: int) -> None:
    if max(fences, default=0) > MAX_FENCE:
        raise MessageError('out of range', f'a fencing number is over {MAX_FENCE}')
