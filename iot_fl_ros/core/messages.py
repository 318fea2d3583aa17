"""The messages of a federated run: one frozen dataclass per file in `msg/`, same fields.

Meaning and units of the fields are in the .msg files. A message that exists is valid in itself;
whether it fits the run is for the state machines to say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.tensors import TensorSpec, dtype_name
from iot_fl_ros.core.wire import (
    Bytes,
    Digest,
    Document,
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
)

AGGREGATOR = 'aggregator'
NO_DIGEST = b''
DIGEST_BYTES = 32
MAX_OPEN_SET = 10_000_000
MAX_TAGS = 64


class PlanState(IntEnum):
    """Values of `RoundPlan.state`."""

    GATHERING = 0
    COLLECTING = 1
    AGGREGATING = 2
    FINISHED = 3


class RobotState(IntEnum):
    """Values of `RobotStatus.state`."""

    JOINING = 0
    PREPARING = 1
    READY = 2
    TRAINING = 3
    UPLOADING = 4
    FINISHED = 5
    REFUSED = 6
    LEAVING = 7


@dataclass(frozen=True, slots=True)
class RunInfo(WireMessage):
    """What stays constant during one run."""

    TOPIC: ClassVar[str] = 'run_info'
    stamp: Stamp
    run_id: Text
    epoch: UInt32
    method: Text
    method_settings: Document
    model: Text
    seed: UInt64
    class_names: Texts
    input_shape: UInt32s
    state_size: UInt64
    open_set_size: UInt32
    open_set_digest: Digest
    rounds: UInt32
    heartbeat_period: Float64

    def check(self) -> None:
        """A run has an id, rounds and classes."""
        if not self.run_id or not self.method or not self.rounds or not self.class_names:
            raise MessageError('incomplete', 'run_info needs run_id, method, rounds, class_names')
        if not 0 < self.heartbeat_period <= 3600:
            raise MessageError('out of range', f'heartbeat_period is {self.heartbeat_period} s')
        if self.open_set_size > MAX_OPEN_SET:
            raise MessageError('out of range', f'open_set_size is over {MAX_OPEN_SET}')
        check_digest('open_set_digest', self.open_set_digest, bool(self.open_set_size))


@dataclass(frozen=True, slots=True)
class RoundPlan(WireMessage):
    """The round that is open now."""

    TOPIC: ClassVar[str] = 'round_plan'
    stamp: Stamp
    run_id: Text
    epoch: UInt32
    sequence: UInt32
    state: UInt8
    round: UInt32
    model_version: UInt32
    model_digest: Digest
    participants: Texts
    accepted: Texts
    time_left: Float64

    def check(self) -> None:
        """The state is known and robots are listed in order."""
        check_enum('state', self.state, PlanState)
        check_digest('model_digest', self.model_digest, None)
        if list(self.participants) != sorted(set(self.participants)):
            raise MessageError('not sorted', 'participants must be sorted and unique')


@dataclass(frozen=True, slots=True)
class RobotStatus(WireMessage):
    """What a robot is doing."""

    TOPIC: ClassVar[str] = 'robot_status'
    stamp: Stamp
    run_id: Text
    robot_id: Text
    sequence: UInt32
    state: UInt8
    reason: Text
    round: UInt32
    model_version: UInt32
    update_digest: Digest
    samples: UInt64
    loss: Measure
    accuracy: Measure
    train_seconds: Float64
    wait_seconds: Float64
    bytes_received: UInt64
    bytes_sent: UInt64
    upload_seconds: Measure = math.nan
    battery: Measure = math.nan
    tags: Texts = ()

    def check(self) -> None:
        """The robot has a name of its own and its figures are possible ones."""
        if not self.robot_id or self.robot_id == AGGREGATOR:
            raise MessageError('bad robot id', f'robot_id is {self.robot_id!r}')
        check_enum('state', self.state, RobotState)
        check_digest('update_digest', self.update_digest, None)
        if self.accuracy < 0 or self.accuracy > 1 or self.battery < 0 or self.battery > 1:
            raise MessageError('out of range', 'accuracy and battery must be in 0..1')
        if self.train_seconds < 0 or self.upload_seconds < 0:
            raise MessageError('out of range', 'times must not be negative')
        if len(self.tags) > MAX_TAGS:
            raise MessageError('too long', f'{len(self.tags)} tags, limit {MAX_TAGS}')


@dataclass(frozen=True, slots=True)
class TensorChunk(WireMessage):
    """One piece of a set of named tensors."""

    TOPIC: ClassVar[str] = 'updates'
    stamp: Stamp
    run_id: Text
    sender_id: Text
    round: UInt32
    model_version: UInt32
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

    def check(self) -> None:
        """Lengths agree, so that a receiver can allocate and place the data without surprise."""
        check_digest('digest', self.digest, True)
        lists = (self.dtype_codes, self.dtype_bits, self.dtype_lanes, self.ranks)
        if any(len(values) != len(self.names) for values in lists):
            raise MessageError('bad shape', 'each tensor needs a name, a data type and a rank')
        if sum(self.ranks) != len(self.dims):
            raise MessageError('bad shape', f'ranks {self.ranks} against {len(self.dims)} dims')
        if sum(spec.nbytes for spec in self.specs) != self.total_bytes:
            raise MessageError('bad length', f'total_bytes {self.total_bytes} is not the tensors')
        if self.chunk_bytes < 1 or self.chunk_count != max(
            1, -(-self.total_bytes // self.chunk_bytes)
        ):
            raise MessageError('bad length', f'{self.chunk_count} chunks of {self.chunk_bytes} B')
        start = self.chunk_index * self.chunk_bytes
        expected = min(self.chunk_bytes, self.total_bytes - start)
        if self.chunk_index >= self.chunk_count or len(self.data) != expected:
            raise MessageError('bad length', f'chunk {self.chunk_index}: {len(self.data)} bytes')

    @property
    def specs(self) -> tuple[TensorSpec, ...]:
        """Specs of the tensors in the set; MessageError for an unsupported data type."""
        specs, start = [], 0
        for i, name in enumerate(self.names):
            dtype = dtype_name(self.dtype_codes[i], self.dtype_bits[i], self.dtype_lanes[i])
            specs.append(TensorSpec(name, dtype, self.dims[start : start + self.ranks[i]]))
            start += self.ranks[i]
        return tuple(specs)


@dataclass(frozen=True, slots=True)
class GlobalChunk(TensorChunk):
    """One piece of the global tensors: the same .msg as TensorChunk, on the latched topic."""

    TOPIC: ClassVar[str] = 'global_tensors'


@dataclass(frozen=True, slots=True)
class ChunkRequest(WireMessage):
    """Asks for pieces that did not arrive."""

    TOPIC: ClassVar[str] = 'chunk_requests'
    stamp: Stamp
    run_id: Text
    sender_id: Text
    receiver_id: Text
    digest: Digest
    missing: UInt32s

    def check(self) -> None:
        """Names what is wanted."""
        check_digest('digest', self.digest, True)


@dataclass(frozen=True, slots=True)
class RoundReport(WireMessage):
    """How one round went."""

    TOPIC: ClassVar[str] = 'round_report'
    stamp: Stamp
    run_id: Text
    round: UInt32
    model_version: UInt32
    accuracy: Measure
    robot_accuracy: Measure
    loss: Measure
    participants: Texts
    late: Texts
    silent: Texts
    refused: Texts
    bytes_received: UInt64
    seconds: Float64


MESSAGES: tuple[type[WireMessage], ...] = (
    RunInfo,
    RoundPlan,
    RobotStatus,
    TensorChunk,
    GlobalChunk,
    ChunkRequest,
    RoundReport,
)


def check_enum(name: str, value: int, enum: type[IntEnum]) -> None:
    """Raise MessageError unless `value` is one of `enum`."""
    if value not in enum._value2member_map_:
        raise MessageError('out of range', f'{name} is {value}, not one of {list(enum)}')


def check_digest(name: str, value: bytes, needed: bool | None) -> None:
    """Raise MessageError for a wrong length.

    needed: None = may be empty; otherwise it must be there exactly when needed.
    """
    allowed = {None: (0, DIGEST_BYTES), True: (DIGEST_BYTES,), False: (0,)}[needed]
    if len(value) not in allowed:
        raise MessageError('bad digest', f'{name} has {len(value)} bytes, not {allowed[-1]}')
