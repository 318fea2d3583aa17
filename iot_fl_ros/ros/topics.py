"""QoS profiles of the fleet's topics, from what each message class says of its delivery."""

from __future__ import annotations

from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from iot_fl_ros.core.messages import Kind
from iot_fl_ros.core.messages.feature_packet import FeaturePacket

# Packets of a frame that publishers and readers of feature packets provide for.
USUAL_PACKETS = 1_024
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
    delivery = message.DELIVERY
    if message is FeaturePacket:
        return packet_qos(USUAL_PACKETS, None)
    if not delivery.reliable:
        return packet_qos(delivery.depth, None)
    profile = QoSProfile(
        depth=max(delivery.depth, chunk_count if delivery.whole_set else 1),
        reliability=ReliabilityPolicy.RELIABLE,
        durability=(
            DurabilityPolicy.TRANSIENT_LOCAL if delivery.latched else DurabilityPolicy.VOLATILE
        ),
        history=HistoryPolicy.KEEP_ALL if delivery.keep_all else HistoryPolicy.KEEP_LAST,
    )
    if delivery.liveliness:
        profile.liveliness_lease_duration = Duration(seconds=_OFFERED_LEASE)
    return profile


def subscription_qos(message: Kind, lease: float) -> QoSProfile:
    """Return the profile of a subscription to `message`; lease: silence that matters, s."""
    if message is FeaturePacket:
        # The queue is shared by all robots.
        return packet_qos(USUAL_PACKETS * 2, None)
    profile = publisher_qos(message)
    if message.DELIVERY.liveliness:
        profile.liveliness_lease_duration = Duration(seconds=max(lease, _OFFERED_LEASE))
    if message.DELIVERY.from_many:
        profile.history = HistoryPolicy.KEEP_ALL
    return profile
