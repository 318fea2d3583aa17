"""Topics of the fleet: who publishes what, with which QoS.

RELIABLE alone is not delivery: what a KEEP_LAST history overwrites is gone. Where a loss would
cost a round, readers keep all and the state machines ask for missing pieces.
"""

from __future__ import annotations

from dataclasses import dataclass

from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from iot_fl_ros.core.feature_packet import FeaturePacket
from iot_fl_ros.core.messages import (
    ChunkRequest,
    GlobalChunk,
    RobotStatus,
    RoundPlan,
    RoundReport,
    RunInfo,
    TensorChunk,
)
from iot_fl_ros.core.split_messages import Inference, SplitInfo, SplitStatus
from iot_fl_ros.ros.convert import Kind


@dataclass(frozen=True)
class Role:
    """The messages that a participant sends and takes.

    answers: those that it sends to one robot, on a topic in the robot's own namespace.
    """

    publishes: tuple[Kind, ...]
    subscribes: tuple[Kind, ...]
    answers: tuple[Kind, ...] = ()


AGGREGATOR_ROLE = Role(
    publishes=(RunInfo, RoundPlan, GlobalChunk, ChunkRequest, RoundReport),
    subscribes=(RobotStatus, TensorChunk, ChunkRequest),
)
ROBOT_ROLE = Role(
    publishes=(RobotStatus, TensorChunk, ChunkRequest),
    subscribes=(RunInfo, RoundPlan, GlobalChunk, ChunkRequest),
)
HEAD_ROLE = Role(publishes=(SplitInfo, FeaturePacket), subscribes=(SplitStatus,))
TAIL_ROLE = Role(
    publishes=(SplitStatus,), subscribes=(SplitInfo, FeaturePacket), answers=(Inference,)
)

_LATCHED = (RunInfo, RoundPlan, GlobalChunk, SplitInfo, SplitStatus)
_STATUS_DEPTH = 10
# SplitInfo comes from every robot, SplitStatus is about every robot: one of each is kept.
_SPLIT_DEPTH = 100
# Packets of a frame that publishers and readers of feature packets provide for.
USUAL_PACKETS = 1_024
_REQUEST_DEPTH = 100
# Offered by every robot, s. A subscription that asked for less would not match.
_OFFERED_LEASE = 1.0


def packet_qos(packets: int, deadline: float | None) -> QoSProfile:
    """Return the profile of feature packets: what is lost is lost, what is stale is dropped.

    packets: of one frame; deadline: time for which a packet is of use, s; None: a reader.
    """
    profile = QoSProfile(
        depth=2 * packets,
        reliability=ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.VOLATILE,
        history=HistoryPolicy.KEEP_LAST,
    )
    if deadline is not None:
        profile.lifespan = Duration(seconds=deadline)
    return profile


def publisher_qos(message: Kind, chunk_count: int = 1) -> QoSProfile:
    """Return the profile of the publisher of `message`.

    chunk_count: chunks of one set of global tensors.
    """
    if message is FeaturePacket:
        return packet_qos(USUAL_PACKETS, None)
    if message is Inference:
        return packet_qos(1, None)
    profile = QoSProfile(
        depth=_depth(message, chunk_count),
        reliability=ReliabilityPolicy.RELIABLE,
        durability=_durability(message),
        history=HistoryPolicy.KEEP_LAST,
    )
    if message is TensorChunk:
        profile.history = HistoryPolicy.KEEP_ALL
    if message is RobotStatus:
        profile.liveliness_lease_duration = Duration(seconds=_OFFERED_LEASE)
    return profile


def subscription_qos(message: Kind, lease: float) -> QoSProfile:
    """Return the profile of a subscription to `message`; lease: silence that matters, s."""
    if message is FeaturePacket:
        # The queue is shared by all robots.
        return packet_qos(USUAL_PACKETS * 2, None)
    profile = publisher_qos(message)
    if message is RobotStatus:
        profile.liveliness_lease_duration = Duration(seconds=max(lease, _OFFERED_LEASE))
    if message in (TensorChunk, GlobalChunk, RobotStatus, SplitInfo):
        # The queue is shared by all senders: with KEEP_LAST one would push out the other's.
        profile.history = HistoryPolicy.KEEP_ALL
    return profile


def _durability(message: Kind) -> DurabilityPolicy:
    latched = message in _LATCHED
    return DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE


def _depth(message: Kind, chunk_count: int) -> int:
    if message is GlobalChunk:
        return max(1, chunk_count)
    depths: dict[Kind, int] = {
        RobotStatus: _STATUS_DEPTH, ChunkRequest: _REQUEST_DEPTH,
        SplitStatus: _SPLIT_DEPTH,
    }  # fmt: skip
    return depths.get(message, 1)
