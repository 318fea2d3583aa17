"""The publishers and subscriptions of one participant, made as its messages say."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.duration import Duration
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from rclpy.timer import Timer

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.events import BadMessage, Event, MessageArrived, PeersChanged
from iot_fl_ros.core.messages import Kind, endpoints_of
from iot_fl_ros.core.messages.delivery import Role
from iot_fl_ros.core.messages.feature_packet import FeaturePacket, FramePackets, read_packet
from iot_fl_ros.core.messages.fields import WireMessage
from iot_fl_ros.ros.convert import ROS_TYPES, decode, encode
from iot_fl_ros.ros.topics import USUAL_PACKETS, packet_qos, publisher_qos, subscription_qos

_MAX_ROBOT_TOPICS = 256
# (robot id, now, bytes) -> when the packet arrives, s; infinity: never
EmulatedArrivals = Callable[[str, float, int], float]


class Connections:
    """Sends and receives for one participant; `tell` takes what arrives.

    namespace: of the fleet's topics. lease: silence after which the transport shall report a peer,
    s. chunk_count: chunks of one set of global tensors. deadline: after which feature packets are
    of no use, s. emulated: link that feature packets go over before they arrive.
    """

    def __init__(
        self,
        node: Node,
        role: Role,
        tell: Callable[[Event], None],
        *,
        namespace: str,
        lease: float,
        chunk_count: int,
        deadline: float | None,
        emulated: EmulatedArrivals | None,
    ) -> None:
        self._node = node
        self._endpoints = endpoints_of(role)
        self._tell = tell
        self._namespace = namespace.rstrip('/')
        self._lease = lease
        self._chunk_count = chunk_count
        self._deadline = deadline
        self._emulated = emulated
        self._publishers: dict[Kind, Publisher] = {}
        self._robot_publishers: dict[tuple[Kind, str], Publisher] = {}
        self._subscriptions: list[Subscription] = []
        self._robot_subscriptions: dict[tuple[Kind, str], Subscription] = {}
        self._delayed: set[Timer] = set()

    # --- out ------------------------------------------------------------------------------------

    def open_publishers(self) -> None:
        """Create the publishers on the fleet's topics."""
        for kind in self._endpoints.publishes:
            packets = kind is FeaturePacket
            self._publishers[kind] = self._node.create_publisher(
                ROS_TYPES[kind],
                f'{self._namespace}/{kind.TOPIC}',
                packet_qos(USUAL_PACKETS, self._deadline)
                if packets
                else publisher_qos(kind, self._chunk_count),
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )

    def publish(self, message: WireMessage, to: str = '') -> int:
        """Send a message, to the fleet or on the topic of a robot; return its bytes."""
        raw = encode(message)
        kind = type(message)
        publisher = self.publisher_to(kind, to) if to else self._publishers[kind]
        publisher.publish(raw)
        return len(raw)

    def publish_packets(self, packets: FramePackets) -> int:
        """Send the packets of a frame; return their bytes."""
        publisher = self._publishers[FeaturePacket]
        size = 0
        for raw in packets.to_bytes():
            publisher.publish(raw)
            size += len(raw)
        return size

    def publisher_to(self, kind: Kind, robot_id: str) -> Publisher:
        """Return the publisher on a topic of one robot; made when it is first needed."""
        key = (kind, robot_id)
        if key not in self._robot_publishers:
            if len(self._robot_publishers) >= _MAX_ROBOT_TOPICS:
                oldest = next(iter(self._robot_publishers))
                self._node.destroy_publisher(self._robot_publishers.pop(oldest))
            self._robot_publishers[key] = self._node.create_publisher(
                ROS_TYPES[kind], f'/{robot_id}/{kind.TOPIC}', publisher_qos(kind)
            )
        return self._robot_publishers[key]

    # --- in -------------------------------------------------------------------------------------

    def open_subscriptions(self) -> None:
        """Create the subscriptions on the fleet's topics."""
        for kind in self._endpoints.subscribes:
            topic = f'{self._namespace}/{kind.TOPIC}'
            self._subscriptions.append(self._subscribe(kind, topic))

    def subscribe_to_robots(self, kind: Kind, robot_ids: tuple[str, ...]) -> None:
        """Subscribe to the topics of these robots, and to those of no others any more."""
        former = {key for key in self._robot_subscriptions if key[0] is kind}
        wanted = {(kind, robot_id) for robot_id in robot_ids}
        for key in former - wanted:
            self._node.destroy_subscription(self._robot_subscriptions.pop(key))
        for key in sorted(wanted - former, key=lambda key: key[1]):
            subscription = self._subscribe(kind, f'/{key[1]}/{kind.TOPIC}')
            self._robot_subscriptions[key] = subscription

    def _subscribe(self, kind: Kind, topic: str) -> Subscription:
        # Parameters can override the QoS of topics whose names are known beforehand.
        known = kind in self._endpoints.subscribes
        liveliness = self._peers_changed if kind.DELIVERY.liveliness else None
        return self._node.create_subscription(
            ROS_TYPES[kind],
            topic,
            self._callback(kind),
            subscription_qos(kind, self._lease),
            event_callbacks=SubscriptionEventCallbacks(liveliness=liveliness),
            qos_overriding_options=QoSOverridingOptions.with_default_policies() if known else None,
            raw=True,
        )

    def _callback(self, kind: Kind) -> Callable[[bytes], None]:
        if issubclass(kind, FeaturePacket):
            return self._packet_arrived  # thousands a second: without detours
        return partial(self._arrived, kind)

    def _arrived(self, kind: type[WireMessage], raw: bytes) -> None:
        try:
            message = decode(kind, raw)
        except MessageError as error:
            self._refused(kind, error, raw)
            return
        self._tell(MessageArrived(message, len(raw)))

    def _packet_arrived(self, raw: bytes) -> None:
        try:
            packet = read_packet(raw)
        except MessageError as error:
            self._refused(FeaturePacket, error, raw)
            return
        event = MessageArrived(packet, len(raw))
        if self._emulated:
            self._emulate(event, packet.robot_id)
        else:
            self._tell(event)

    def _refused(self, kind: Kind, error: MessageError, raw: bytes) -> None:
        self._tell(BadMessage(kind.TOPIC, '(unknown)', error.reason, len(raw)))

    def _peers_changed(self, status: Any) -> None:
        self._tell(PeersChanged())

    def _emulate(self, event: MessageArrived, robot_id: str) -> None:
        """Let the emulated link lose or delay a packet."""
        assert self._emulated is not None
        now = self._node.get_clock().now().nanoseconds * 1e-9
        delay = self._emulated(robot_id, now, event.wire_bytes) - now
        if delay <= 0:
            self._tell(event)
        elif math.isfinite(delay):
            timer = self._node.create_timer(delay, lambda: self._emulated_arrival(timer, event))
            self._delayed.add(timer)

    def _emulated_arrival(self, timer: Timer, event: MessageArrived) -> None:
        self._delayed.discard(timer)
        self._node.destroy_timer(timer)
        self._tell(event)

    def all_read(self) -> bool:
        """Return whether readers have what was sent reliably on the topics of the whole fleet.

        What they do not have is lost when `close` destroys the publishers.
        """
        now = Duration()  # it would wait without giving other threads their turn
        return all(one.wait_for_all_acked(now) for one in self._publishers.values())

    def close(self) -> None:
        """Destroy everything."""
        for timer in self._delayed:
            self._node.destroy_timer(timer)
        for subscription in (*self._subscriptions, *self._robot_subscriptions.values()):
            self._node.destroy_subscription(subscription)
        for publisher in (*self._publishers.values(), *self._robot_publishers.values()):
            self._node.destroy_publisher(publisher)
        self._delayed.clear()
        self._subscriptions.clear()
        self._robot_subscriptions.clear()
        self._publishers.clear()
        self._robot_publishers.clear()
