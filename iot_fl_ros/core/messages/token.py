"""The messages of Tram-FL: one dataclass per file in `msg/`, same fields."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.chunks import Chunk
from iot_fl_ros.core.messages.delivery import Delivery, Role
from iot_fl_ros.core.messages.fields import (
    Bytes,
    Digest,
    Float64,
    Measure,
    Stamp,
    Text,
    Texts,
    UInt8,
    UInt8s,
    UInt16s,
    UInt32,
    UInt32s,
    UInt64,
    UInt64s,
    WireMessage,
    check_digest,
    check_enum,
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
class TramStatus(WireMessage):
    """Status of a robot, and its promises about the tokens."""

    TOPIC: ClassVar[str] = 'tram_status'
    DELIVERY: ClassVar[Delivery] = Delivery(
        (Role.TRAM,), (Role.TRAM,), from_many=True, depth=10, liveliness=True
    )
    stamp: Stamp
    run_id: Text
    robot_id: Text
    sequence: UInt32
    state: UInt8
    reason: Text
    class_counts: UInt32s
    token_states: UInt8s
    promised: UInt64s
    fences: UInt64s
    bases: UInt64s
    batch_seconds: Measure
    link_rate: Measure
    updates: UInt64
    loss: Measure
    accuracy: Measure
    train_seconds: Float64
    bytes_received: UInt64
    bytes_sent: UInt64
    joules: Float64

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
        if self.accuracy < 0 or self.accuracy > 1:
            raise MessageError('out of range', 'accuracy must be in 0..1')
        if min(self.train_seconds, self.joules) < 0 or self.batch_seconds < 0:
            raise MessageError('out of range', 'times and joules must not be negative')
        _check_fences(*self.promised, *self.fences, *self.bases)
        if self.link_rate <= 0:
            raise MessageError('out of range', 'link_rate must be positive')


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenOffer(WireMessage):
    """The holder offers a token."""

    TOPIC: ClassVar[str] = 'token_offers'
    DELIVERY: ClassVar[Delivery] = Delivery((Role.TRAM,), (Role.TRAM,), from_many=True, depth=100)
    stamp: Stamp
    run_id: Text
    sender_id: Text
    receiver_id: Text
    token_id: UInt32
    fence: UInt64
    digest: Digest
    phase: UInt8
    visits: UInt32
    updates: UInt64
    cycle: UInt32
    route: Texts
    shares: UInt32s
    position: UInt32
    class_usage: UInt64s

    def check(self) -> None:
        """The plan leads to the receiver."""
        _check_token(self.token_id)
        check_enum('phase', self.phase, TokenPhase)
        check_digest('digest', self.digest, True)
        _check_fences(self.fence)
        counts = (self.visits, self.updates, self.cycle, *self.class_usage)
        if max(counts) > MAX_COUNT:
            raise MessageError('out of range', f'a count is over {MAX_COUNT}')
        if not self.fence:
            raise MessageError('out of range', 'who offers a token holds it with a fence')
        for robot_id in (self.sender_id, *self.route):
            check_robot_id(robot_id)
        if len(self.route) != len(self.shares) or len(set(self.route)) != len(self.route):
            raise MessageError('bad length', 'each robot of a route needs one share')
        if self.position >= len(self.route) or self.route[self.position] != self.receiver_id:
            raise MessageError('bad route', f'{self.receiver_id!r} is not next on the route')


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenClaim(WireMessage):
    """A robot asks for the right to hold a token."""

    TOPIC: ClassVar[str] = 'token_claims'
    DELIVERY: ClassVar[Delivery] = Delivery((Role.TRAM,), (Role.TRAM,), from_many=True, depth=100)
    stamp: Stamp
    run_id: Text
    sender_id: Text
    token_id: UInt32
    phase: UInt8
    fence: UInt64
    base: UInt64

    def check(self) -> None:
        """`base` must be below `fence`."""
        _check_token(self.token_id)
        check_enum('phase', self.phase, ClaimPhase)
        check_robot_id(self.sender_id)
        _check_fences(self.fence)
        if self.base >= self.fence:
            raise MessageError('out of range', f'fence {self.fence} is not after base {self.base}')


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenVote(WireMessage):
    """The answer to a claim."""

    TOPIC: ClassVar[str] = 'token_votes'
    DELIVERY: ClassVar[Delivery] = Delivery((Role.TRAM,), (Role.TRAM,), from_many=True, depth=100)
    stamp: Stamp
    run_id: Text
    sender_id: Text
    candidate_id: Text
    token_id: UInt32
    phase: UInt8
    fence: UInt64
    granted: UInt8
    promised: UInt64

    def check(self) -> None:
        """It is a vote of a robot about a token."""
        _check_token(self.token_id)
        check_enum('phase', self.phase, ClaimPhase)
        check_robot_id(self.sender_id)
        _check_fences(self.fence, self.promised)
        if self.granted > 1:
            raise MessageError('out of range', f'granted is {self.granted}, not 0 or 1')


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenChunk(Chunk):
    """One piece of a token's tensors, on the topic in the receiver's namespace."""

    TOPIC: ClassVar[str] = 'token_chunks'
    DELIVERY: ClassVar[Delivery] = Delivery(
        (Role.TRAM,), (Role.TRAM,), robot_topic=True, from_many=True, keep_all=True
    )
    LABELS: ClassVar[tuple[str, ...]] = ('token_id', 'visits')
    stamp: Stamp
    run_id: Text
    sender_id: Text
    token_id: UInt32
    visits: UInt32
    sequence: UInt32
    names: Texts
    dtype_codes: UInt8s
    dtype_bits: UInt8s
    dtype_lanes: UInt16s
    ranks: UInt8s
    dims: UInt64s
    digest: Digest
    total_bytes: UInt64
    chunk_index: UInt32
    chunk_count: UInt32
    chunk_bytes: UInt32
    data: Bytes


def _check_token(token_id: int) -> None:
    if token_id >= MAX_TOKENS:
        raise MessageError('out of range', f'token {token_id}, at most {MAX_TOKENS}')


def _check_fences(*fences: int) -> None:
    if max(fences, default=0) > MAX_FENCE:
        raise MessageError('out of range', f'a fencing number is over {MAX_FENCE}')
