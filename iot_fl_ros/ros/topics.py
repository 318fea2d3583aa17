"""Topics of the fleet: who publishes what, with which QoS.

RELIABLE alone is not delivery: what a KEEP_LAST history overwrites is gone. Where a loss would
cost a round, readers keep all and the state machines ask for missing pieces.
"""

from __future__ import annotations

from dataclasses import dataclass

from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from iot_fl_ros.core.messages import (
    ChunkRequest,
    GlobalChunk,
    RobotStatus,
    RoundPlan,
    RoundReport,
    RunInfo,
    TensorChunk,
)
from iot_fl_ros.core.wire import WireMessage


@dataclass(frozen=True)
class Role:
    """The messages that a participant sends and takes."""

    publishes: tuple[type[WireMessage], ...]
    subscribes: tuple[type[WireMessage], ...]


AGGREGATOR_ROLE = Role(
    publishes=(RunInfo, RoundPlan, GlobalChunk, ChunkRequest, RoundReport),
    subscribes=(RobotStatus, TensorChunk, ChunkRequest),
)
ROBOT_ROLE = Role(
    publishes=(RobotStatus, TensorChunk, ChunkRequest),
    subscribes=(RunInfo, RoundPlan, GlobalChunk, ChunkRequest),
)

_LATCHED = (RunInfo, RoundPlan, GlobalChunk)
_STATUS_DEPTH = 10
_REQUEST_DEPTH = 100
# Offered by every robot, s. A subscription that asked for less would not match.
_OFFERED_LEASE = 1.0


def publisher_qos(message: type[WireMessage], chunk_count: int = 1) -> QoSProfile:
    """Return the profile of the publisher of `message`.

    chunk_count: chunks of one set of global tensors.
    """
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


def subscription_qos(message: type[WireMessage], lease: float) -> QoSProfile:
    """Return the profile of a subscription to `message`; lease: silence that matters, s."""
    profile = publisher_qos(message)
    if message is RobotStatus:
        profile.liveliness_lease_duration = Duration(seconds=max(lease, _OFFERED_LEASE))
    if message in (TensorChunk, GlobalChunk, RobotStatus):
        # The queue is shared by all senders: with KEEP_LAST one would push out the other's.
        profile.history = HistoryPolicy.KEEP_ALL
    return profile


def _durability(message: type[WireMessage]) -> DurabilityPolicy:
    latched = message in _LATCHED
    return DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE


def _depth(message: type[WireMessage], chunk_count: int) -> int:
    if message is GlobalChunk:
        return max(1, chunk_count)
    return {RobotStatus: _STATUS_DEPTH, ChunkRequest: _REQUEST_DEPTH}.get(message, 1)
