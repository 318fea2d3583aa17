"""The messages of a run with an aggregator: one frozen dataclass per file in `msg/`, same fields.

Meaning and units of the fields are in the .msg files. A message that exists is valid in itself;
whether it fits the run is for the state machines to say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.chunks import TensorChunk
from iot_fl_ros.core.messages.delivery import Delivery, Role
from iot_fl_ros.core.messages.fields import (
    Digest,
    Document,
    Float64,
    Measure,
    Stamp,
    Text,
    Texts,
    UInt8,
    UInt32,
    UInt32s,
    UInt64,
    WireMessage,
    check_digest,
    check_enum,
)

AGGREGATOR = 'aggregator'
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo(WireMessage):
    """Constants of one run."""

    TOPIC: ClassVar[str] = 'run_info'
    DELIVERY: ClassVar[Delivery] = Delivery((Role.AGGREGATOR,), (Role.ROBOT,), latched=True)
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

    @property
    def sender(self) -> str:
        """Nobody else sends it."""
        return AGGREGATOR

    def check(self) -> None:
        """A run has an id, rounds and classes."""
        if not self.run_id or not self.method or not self.rounds or not self.class_names:
            raise MessageError('incomplete', 'run_info needs run_id, method, rounds, class_names')
        if not 0 < self.heartbeat_period <= 3600:
            raise MessageError('out of range', f'heartbeat_period is {self.heartbeat_period} s')
        if self.open_set_size > MAX_OPEN_SET:
            raise MessageError('out of range', f'open_set_size is over {MAX_OPEN_SET}')
        check_digest('open_set_digest', self.open_set_digest, bool(self.open_set_size))


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundPlan(WireMessage):
    """The round that is open now."""

    TOPIC: ClassVar[str] = 'round_plan'
    DELIVERY: ClassVar[Delivery] = Delivery((Role.AGGREGATOR,), (Role.ROBOT,), latched=True)
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

    @property
    def sender(self) -> str:
        """Nobody else sends it."""
        return AGGREGATOR

    def check(self) -> None:
        """The state is known and robots are listed in order."""
        check_enum('state', self.state, PlanState)
        check_digest('model_digest', self.model_digest, None)
        if list(self.participants) != sorted(set(self.participants)):
            raise MessageError('not sorted', 'participants must be sorted and unique')


@dataclass(frozen=True, slots=True, kw_only=True)
class RobotStatus(WireMessage):
    """Status of a robot."""

    TOPIC: ClassVar[str] = 'robot_status'
    DELIVERY: ClassVar[Delivery] = Delivery(
        (Role.ROBOT,), (Role.AGGREGATOR,), from_many=True, depth=10, liveliness=True
    )
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


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalChunk(TensorChunk):
    """One piece of the global tensors: the same .msg as TensorChunk, on the latched topic."""

    TOPIC: ClassVar[str] = 'global_tensors'
    ROS_TYPE: ClassVar[str] = 'TensorChunk'
    DELIVERY: ClassVar[Delivery] = Delivery(
        (Role.AGGREGATOR,), (Role.ROBOT,), latched=True, from_many=True, whole_set=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundReport(WireMessage):
    """Result of one round."""

    TOPIC: ClassVar[str] = 'round_report'
    DELIVERY: ClassVar[Delivery] = Delivery((Role.AGGREGATOR,), ())
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

    @property
    def sender(self) -> str:
        """Nobody else sends it."""
        return AGGREGATOR
