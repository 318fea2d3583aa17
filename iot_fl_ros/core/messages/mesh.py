"""The messages of a mesh of peers: one dataclass per file in `msg/`, same fields."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages import fields as wire
from iot_fl_ros.core.messages.chunks import TensorChunk
from iot_fl_ros.core.messages.delivery import Delivery, Role
from iot_fl_ros.core.messages.fields import Status, check_digest, check_enum, check_range
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
class PeerStatus(Status):
    """Status of a peer."""

    TOPIC: ClassVar[str] = 'peer_status'
    DELIVERY: ClassVar[Delivery] = Delivery(
        (Role.PEER,), (Role.PEER,), from_many=True, depth=10, liveliness=True
    )
    round: wire.UInt32
    update_digest: wire.Digest
    neighbours: wire.Texts
    samples: wire.UInt64
    loss: wire.Measure
    accuracy: wire.Measure
    disagreement: wire.Measure
    train_seconds: wire.Float64
    wait_seconds: wire.Float64
    bytes_received: wire.UInt64
    bytes_sent: wire.UInt64
    joules: wire.Float64

    def check(self) -> None:
        """Names can be topics, neighbours are listed in order, figures are possible ones."""
        check_robot_id(self.robot_id)
        check_enum('state', self.state, PeerState)
        check_digest('update_digest', self.update_digest, None)
        if list(self.neighbours) != sorted({*self.neighbours} - {self.robot_id}):
            raise MessageError('not sorted', 'neighbours must be others, sorted and unique')
        check_range(self, 'accuracy', high=1)
        check_range(self, 'train_seconds', 'wait_seconds', 'joules', 'disagreement')


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerChunk(TensorChunk):
    """One piece of a peer's update, on the topic in the peer's own namespace."""

    TOPIC: ClassVar[str] = 'peer_updates'
    ROS_TYPE: ClassVar[str] = 'TensorChunk'
    DELIVERY: ClassVar[Delivery] = Delivery(
        (Role.PEER,), (Role.PEER,), robot_topic=True, from_many=True, keep_all=True
    )
