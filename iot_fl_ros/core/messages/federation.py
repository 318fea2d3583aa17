"""The messages of a run with an aggregator: one frozen dataclass per file in `msg/`, same fields.

Meaning and units of the fields are in the .msg files. A message that exists is valid in itself;
whether it fits the run is for the state machines to say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages import fields as wire
from iot_fl_ros.core.messages.chunks import TensorChunk
from iot_fl_ros.core.messages.delivery import Delivery, Role
from iot_fl_ros.core.messages.fields import (
    Status,
    WireMessage,
    check_digest,
    check_enum,
    check_range,
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
class FromAggregator(WireMessage):
    """A message that nobody else sends."""

    stamp: wire.Stamp
    run_id: wire.Text

    @property
    def sender(self) -> str:
        """Id of the aggregator."""
        return AGGREGATOR


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo(FromAggregator):
    """Constants of one run."""

    TOPIC: ClassVar[str] = 'run_info'
    DELIVERY: ClassVar[Delivery] = Delivery((Role.AGGREGATOR,), (Role.ROBOT,), latched=True)
    epoch: wire.UInt32
    method: wire.Text
    method_settings: wire.Document
    model: wire.Text
    seed: wire.UInt64
    class_names: wire.Texts
    input_shape: wire.UInt32s
    state_size: wire.UInt64
    open_set_size: wire.UInt32
    open_set_digest: wire.Digest
    rounds: wire.UInt32
    heartbeat_period: wire.Float64

    def constants(self) -> dict[str, Any]:
        """Return what may not change when an aggregator comes back on the same run, as JSON."""
        return {
            'method': self.method,
            'method settings': self.method_settings,
            'model': self.model,
            'seed': self.seed,
            'classes': list(self.class_names),
            'input shape': list(self.input_shape),
            'values of the model': self.state_size,
            'open set': self.open_set_digest.hex(),
        }

    def check(self) -> None:
        """A run has an id, rounds and classes."""
        if not self.run_id or not self.method or not self.rounds or not self.class_names:
            raise MessageError('incomplete', 'run_info needs run_id, method, rounds, class_names')
        if not 0 < self.heartbeat_period <= 3600:
            raise MessageError('out of range', f'heartbeat_period is {self.heartbeat_period} s')
        check_range(self, 'open_set_size', high=MAX_OPEN_SET)
        check_digest('open_set_digest', self.open_set_digest, bool(self.open_set_size))


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundPlan(FromAggregator):
    """The round that is open now."""

    TOPIC: ClassVar[str] = 'round_plan'
    DELIVERY: ClassVar[Delivery] = Delivery((Role.AGGREGATOR,), (Role.ROBOT,), latched=True)
    epoch: wire.UInt32
    sequence: wire.UInt32
    state: wire.UInt8
    round: wire.UInt32
    model_version: wire.UInt32
    model_digest: wire.Digest
    participants: wire.Texts
    accepted: wire.Texts
    time_left: wire.Float64

    def check(self) -> None:
        """The state is known and robots are listed in order."""
        check_enum('state', self.state, PlanState)
        check_digest('model_digest', self.model_digest, None)
        if list(self.participants) != sorted(set(self.participants)):
            raise MessageError('not sorted', 'participants must be sorted and unique')


@dataclass(frozen=True, slots=True, kw_only=True)
class RobotStatus(Status):
    """Status of a robot."""

    TOPIC: ClassVar[str] = 'robot_status'
    DELIVERY: ClassVar[Delivery] = Delivery(
        (Role.ROBOT,), (Role.AGGREGATOR,), from_many=True, depth=10, liveliness=True
    )
    round: wire.UInt32
    model_version: wire.UInt32
    update_digest: wire.Digest
    samples: wire.UInt64
    loss: wire.Measure
    accuracy: wire.Measure
    train_seconds: wire.Float64
    wait_seconds: wire.Float64
    bytes_received: wire.UInt64
    bytes_sent: wire.UInt64
    upload_seconds: wire.Measure = math.nan
    battery: wire.Measure = math.nan
    tags: wire.Texts = ()

    def check(self) -> None:
        """The robot has a name of its own and its figures are possible ones."""
        if not self.robot_id or self.robot_id == AGGREGATOR:
            raise MessageError('bad robot id', f'robot_id is {self.robot_id!r}')
        check_enum('state', self.state, RobotState)
        check_digest('update_digest', self.update_digest, None)
        check_range(self, 'accuracy', 'battery', high=1)
        check_range(self, 'train_seconds', 'upload_seconds')
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
class RoundReport(FromAggregator):
    """Result of one round."""

    TOPIC: ClassVar[str] = 'round_report'
    DELIVERY: ClassVar[Delivery] = Delivery((Role.AGGREGATOR,), ())
    round: wire.UInt32
    model_version: wire.UInt32
    accuracy: wire.Measure
    robot_accuracy: wire.Measure
    loss: wire.Measure
    participants: wire.Texts
    late: wire.Texts
    silent: wire.Texts
    refused: wire.Texts
    bytes_received: wire.UInt64
    seconds: wire.Float64
