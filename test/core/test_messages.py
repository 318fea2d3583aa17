"""Which messages there are, who sends and reads them, and what that says to DDS."""

import pytest
from rclpy.qos import DurabilityPolicy, HistoryPolicy, ReliabilityPolicy

from iot_fl_ros.core.messages import KINDS, endpoints_of
from iot_fl_ros.core.messages.chunks import ChunkRequest, TensorChunk
from iot_fl_ros.core.messages.delivery import EXCHANGING, Role
from iot_fl_ros.core.messages.feature_packet import FeaturePacket
from iot_fl_ros.core.messages.federation import (
    GlobalChunk,
    RobotStatus,
    RoundPlan,
    RoundReport,
    RunInfo,
)
from iot_fl_ros.core.messages.fields import WireMessage
from iot_fl_ros.core.messages.mesh import PeerChunk, PeerStatus
from iot_fl_ros.core.messages.split import Inference, SplitInfo, SplitStatus
from iot_fl_ros.core.messages.token import (
    TokenChunk,
    TokenClaim,
    TokenOffer,
    TokenVote,
    TramStatus,
)
from iot_fl_ros.ros.convert import ROS_TYPES
from iot_fl_ros.ros.topics import publisher_qos, subscription_qos

LEASE = 7.0
WHO = {
    Role.AGGREGATOR: (
        {ChunkRequest, RunInfo, RoundPlan, GlobalChunk, RoundReport},
        {TensorChunk, ChunkRequest, RobotStatus}, set(), set(),
    ),
    Role.ROBOT: (
        {TensorChunk, ChunkRequest, RobotStatus},
        {ChunkRequest, RunInfo, RoundPlan, GlobalChunk}, set(), set(),
    ),
    Role.PEER: (
        {ChunkRequest, PeerStatus}, {ChunkRequest, PeerStatus}, {PeerChunk}, {PeerChunk},
    ),
    Role.TRAM: (
        {ChunkRequest, TramStatus, TokenOffer, TokenClaim, TokenVote},
        {ChunkRequest, TramStatus, TokenOffer, TokenClaim, TokenVote},
        {TokenChunk}, {TokenChunk},
    ),
    Role.HEAD: ({FeaturePacket, SplitInfo}, {SplitStatus}, set(), {Inference}),
    Role.TAIL: ({SplitStatus}, {FeaturePacket, SplitInfo}, {Inference}, set()),
}  # fmt: skip


@pytest.mark.parametrize('role', Role)
def test_each_role_sends_and_reads_what_it_is_for(role):
    ends = endpoints_of(role)
    found = tuple(map(set, (ends.publishes, ends.subscribes, ends.to_robots, ends.from_robots)))
    assert found == WHO[role]


def test_every_message_has_senders_a_topic_and_a_ros_type_of_its_own():
    assert len(set(KINDS)) == len(KINDS)
    assert set(ROS_TYPES) | {FeaturePacket} == set(KINDS)
    for kind in KINDS:
        assert kind.DELIVERY.senders, kind
        assert kind.TOPIC, kind
        assert bool(kind.DELIVERY.readers) == (kind is not RoundReport), kind  # for people
    topics = [kind.TOPIC for kind in KINDS]
    assert len(set(topics)) == len(topics)


def test_every_class_of_the_wire_is_among_the_kinds():
    def leaves(cls):
        for one in cls.__subclasses__():
            yield from leaves(one)
            if hasattr(one, 'TOPIC') and one.__module__.startswith('iot_fl_ros.'):
                yield one.__name__  # of dataclasses with slots the class before them is left too

    assert {*leaves(WireMessage), 'FeaturePacket'} == {kind.__name__ for kind in KINDS}


@pytest.mark.parametrize('kind', KINDS, ids=lambda kind: kind.__name__)
def test_each_flag_of_delivery_is_a_policy_of_dds(kind):
    delivery = kind.DELIVERY
    writer, reader = publisher_qos(kind), subscription_qos(kind, LEASE)
    reliable = ReliabilityPolicy.RELIABLE if delivery.reliable else ReliabilityPolicy.BEST_EFFORT
    latched = DurabilityPolicy.TRANSIENT_LOCAL if delivery.latched else DurabilityPolicy.VOLATILE
    for profile in (writer, reader):
        assert profile.reliability == reliable
        assert profile.durability == latched
    all_kept, last_kept = HistoryPolicy.KEEP_ALL, HistoryPolicy.KEEP_LAST
    assert writer.history == (all_kept if delivery.keep_all else last_kept)
    assert reader.history == (
        all_kept if delivery.from_many or delivery.keep_all else last_kept
    )  # fmt: skip
    if writer.history == last_kept:
        assert writer.depth >= delivery.depth
    seconds = reader.liveliness_lease_duration.nanoseconds / 1e9
    assert (seconds == LEASE) == delivery.liveliness
    if delivery.liveliness:
        assert 0 < writer.liveliness_lease_duration.nanoseconds / 1e9 <= seconds, 'they match'


def test_a_writer_of_whole_sets_keeps_all_chunks_of_one():
    assert publisher_qos(GlobalChunk, 35).depth == 35
    assert publisher_qos(GlobalChunk).depth == 1
    assert publisher_qos(RunInfo, 35).depth == 1
    assert subscription_qos(RobotStatus, 0.01).liveliness_lease_duration.nanoseconds == 10**9


def test_who_exchanges_tensors_can_ask_for_pieces_and_be_asked():
    for role in Role:
        ends = endpoints_of(role)
        assert (ChunkRequest in ends.publishes) == (role in EXCHANGING)
        assert (ChunkRequest in ends.subscribes) == (role in EXCHANGING)
