"""Publishers and subscriptions of a participant, and what arrives that is no message."""

import dataclasses
import math

import numpy as np
import pytest
from message_examples import STATUS
from packet_examples import FRAME

from iot_fl_ros.core.events import BadMessage, MessageArrived, PeersChanged
from iot_fl_ros.core.messages import endpoints_of
from iot_fl_ros.core.messages.delivery import Role
from iot_fl_ros.core.messages.feature_packet import FeaturePacket
from iot_fl_ros.core.messages.federation import RobotStatus
from iot_fl_ros.core.messages.mesh import PeerChunk
from iot_fl_ros.ros import connections
from iot_fl_ros.ros.connections import Connections
from iot_fl_ros.ros.convert import ROS_TYPES, encode
from iot_fl_ros.ros.topics import packet_qos, publisher_qos


@pytest.fixture
def connect(process):
    """Return a maker of (connections, events that came)."""
    made = []

    def connect(role, emulated=None):
        events = []
        made.append(
            Connections(
                process.node(f'node_{len(made)}'), role, events.append, namespace='/fleet/',
                lease=1.0, chunk_count=1, deadline=None, emulated=emulated,
            )
        )  # fmt: skip
        made[-1].open_publishers()
        made[-1].open_subscriptions()
        return made[-1], events

    yield connect
    for one in made:
        one.close()


@pytest.mark.parametrize('role', list(Role))
def test_each_role_has_the_topics_of_its_messages_and_none_after_its_end(role, connect):
    one, _ = connect(role)
    node, ends = one._node, endpoints_of(role)
    fleet = [p.topic_name for p in node.publishers if p.topic_name.startswith('/fleet/')]
    assert sorted(fleet) == sorted(f'/fleet/{kind.TOPIC}' for kind in ends.publishes)
    heard = [s.topic_name for s in node.subscriptions if s.topic_name.startswith('/fleet/')]
    assert sorted(heard) == sorted(f'/fleet/{kind.TOPIC}' for kind in ends.subscribes)
    one.close()
    assert not [s for s in (*node.publishers, *node.subscriptions) if '/fleet/' in s.topic_name]


def test_bytes_that_are_no_message_are_told_with_their_reason(process, connect):
    _, events = connect(Role.AGGREGATOR)
    robot = process.node('robot')
    speaker = robot.create_publisher(
        ROS_TYPES[RobotStatus], '/fleet/robot_status', publisher_qos(RobotStatus)
    )
    process.spin_until(lambda: speaker.get_subscription_count() == 1)
    speaker.publish(b'\x00\x01\x00\x00rubbish')
    speaker.publish(encode(STATUS))
    process.spin_until(lambda: any(isinstance(event, MessageArrived) for event in events))
    (bad,) = [event for event in events if isinstance(event, BadMessage)]
    assert (bad.topic, bad.sender, bad.wire_bytes) == ('robot_status', '(unknown)', 11)
    assert bad.reason
    (good,) = [event for event in events if isinstance(event, MessageArrived)]
    assert (good.message.robot_id, good.wire_bytes) == ('r1', len(encode(STATUS)))
    events.clear()
    process.drop(robot)
    process.spin_until(lambda: PeersChanged() in events)


def test_an_emulated_link_delays_and_loses_packets(process, connect):
    arrivals = iter([0.0, 0.05, math.inf, 0.01])
    _, events = connect(Role.TAIL, lambda robot, now, size: now + next(arrivals))
    packets = dataclasses.replace(FRAME, payload=np.zeros((4, 10), np.uint8))
    speaker = process.node('speaker').create_publisher(
        ROS_TYPES[FeaturePacket], '/fleet/feature_packets', packet_qos(64, None)
    )
    process.spin_until(lambda: speaker.get_subscription_count() == 1)
    for raw in packets.to_bytes():
        speaker.publish(raw)
    process.spin_until(lambda: len(events) == 3)
    assert [event.message.packet_index for event in events] == [0, 3, 1]
    assert next(arrivals, None) is None


def test_publishers_to_robots_are_limited_and_the_oldest_goes_first(connect, monkeypatch):
    monkeypatch.setattr(connections, '_MAX_ROBOT_TOPICS', 2)
    one, _ = connect(Role.PEER)
    first = one.publisher_to(PeerChunk, 'r1')
    assert one.publisher_to(PeerChunk, 'r1') is first
    one.publisher_to(PeerChunk, 'r2')
    one.publisher_to(PeerChunk, 'r3')
    names = {p.topic_name for p in one._node.publishers}
    assert {'/r2/peer_updates', '/r3/peer_updates'} <= names
    assert '/r1/peer_updates' not in names
