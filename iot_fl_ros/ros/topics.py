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
from iot_fl_ros.core.peer_messages import PeerChunk, PeerStatus
from iot_fl_ros.core.split_messages import Inference, SplitInfo, SplitStatus
from iot_fl_ros.core.tram_messages import (
    TokenChunk,
    TokenClaim,
    TokenOffer,
    TokenVote,
    TramStatus,
)
from iot_fl_ros.ros.convert import Kind


@dataclass(frozen=True)
class Role:
    """The messages that a participant sends and takes on the topics of the fleet.

    to_robots: those that it sends on topics in the namespaces of robots. from_robots: those that
    it takes there.
    """

    publishes: tuple[Kind, ...]
    subscribes: tuple[Kind, ...]
    to_robots: tuple[Kind, ...] = ()
    from_robots: tuple[Kind, ...] = ()


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
    publishes=(SplitStatus,), subscribes=(SplitInfo, FeaturePacket), to_robots=(Inference,)
)
PEER_ROLE = Role(
    publishes=(PeerStatus, ChunkRequest),
    subscribes=(PeerStatus, ChunkRequest),
    to_robots=(PeerChunk,),
    from_robots=(PeerChunk,),
)
TRAM_ROLE = Role(
    publishes=(TramStatus, TokenOffer, TokenClaim, TokenVote, ChunkRequest),
    subscribes=(TramStatus, TokenOffer, TokenClaim, TokenVote, ChunkRequest),
    to_robots=(TokenChunk,),
    from_robots=(TokenChunk,),
)

# Whose liveliness says that their sender is there.
STATUSES: tuple[Kind, ...] = (RobotStatus, PeerStatus, TramStatus)
_FROM_MANY: tuple[Kind, ...] = (
    *STATUSES, TensorChunk, GlobalChunk, SplitInfo, PeerChunk, TokenChunk, TokenOffer, TokenClaim,
    TokenVote,
)  # fmt: skip
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
    if message in (TensorChunk, PeerChunk, TokenChunk):
        profile.history = HistoryPolicy.KEEP_ALL
    if message in STATUSES:
        profile.liveliness_lease_duration = Duration(seconds=_OFFERED_LEASE)
    return profile


def subscription_qos(message: Kind, lease: float) -> QoSProfile:
    """Return the profile of a subscription to `message`; lease: silence that matters, s."""
    if message is FeaturePacket:
        # The queue is shared by all robots.
        return packet_qos(USUAL_PACKETS * 2, None)
    profile = publisher_qos(message)
    if message in STATUSES:
        profile.liveliness_lease_duration = Duration(seconds=max(lease, _OFFERED_LEASE))
    if message in _FROM_MANY:
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
        RobotStatus: _STATUS_DEPTH, PeerStatus: _STATUS_DEPTH, TramStatus: _STATUS_DEPTH,
        ChunkRequest: _REQUEST_DEPTH, TokenOffer: _REQUEST_DEPTH, TokenClaim: _REQUEST_DEPTH,
        TokenVote: _REQUEST_DEPTH, SplitStatus: _SPLIT_DEPTH,
    }  # fmt: skip
    return depths.get(message, 1)
