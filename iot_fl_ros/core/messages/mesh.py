"""The messages of a mesh of peers: one dataclass per file in `msg/`, same fields."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.chunks import TensorChunk
from iot_fl_ros.core.messages.delivery import Delivery, Role
from iot_fl_ros.core.messages.fields import (
    Digest,
    Float64,
    Measure,
    Stamp,
    Text,
    Texts,
    UInt8,
    UInt32,
    UInt64,
    WireMessage,
    check_digest,
    check_enum,
)
from iot_fl_ros.core.names import check_robot_id


class PeerState(IntEnum):
    """Values of `PeerStatus.state`."""

    PREPARING = 0
    READY = 1
    TRAINING = 2
    EXCHANGING = 3
    MIXING = 4
    FINISHED = 5
    REFUSED = 6
    LEAVING = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerStatus(WireMessage):
    """Status of a peer."""

    TOPIC: ClassVar[str] = 'peer_status'
    DELIVERY: ClassVar[Delivery] = Delivery(
        (Role.PEER,), (Role.PEER,), from_many=True, depth=10, liveliness=True
    )
    stamp: Stamp
    run_id: Text
    robot_id: Text
    sequence: UInt32
    state: UInt8
    reason: Text
    round: UInt32
    update_digest: Digest
    neighbours: Texts
    samples: UInt64
    loss: Measure
    accuracy: Measure
    disagreement: Measure
    train_seconds: Float64
    wait_seconds: Float64
    bytes_received: UInt64
    bytes_sent: UInt64
    joules: Float64

    def check(self) -> None:
        """Names can be topics, neighbours are listed in order, figures are possible ones."""
        check_robot_id(self.robot_id)
        check_enum('state', self.state, PeerState)
        check_digest('update_digest', self.update_digest, None)
        if list(self.neighbours) != sorted({*self.neighbours} - {self.robot_id}):
            raise MessageError('not sorted', 'neighbours must be others, sorted and unique')
        if self.accuracy < 0 or self.accuracy > 1:
            raise MessageError('out of range', 'accuracy must be in 0..1')
        if min(self.train_seconds, self.wait_seconds, self.joules) < 0 or self.disagreement < 0:
            raise MessageError('out of range', 'times, joules, disagreement must not be negative')


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerChunk(TensorChunk):
    """One piece of a peer's update, on the topic in the peer's own namespace."""

    TOPIC: ClassVar[str] = 'peer_updates'
    ROS_TYPE: ClassVar[str] = 'TensorChunk'
    DELIVERY: ClassVar[Delivery] = Delivery(
        (Role.PEER,), (Role.PEER,), robot_topic=True, from_many=True, keep_all=True
    )
