"""Core values against the generated ROS messages and real serialization."""

import array
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from message_examples import ALL, CHUNK
from packet_examples import FRAME, cdr, frames, packets_of
from rclpy.serialization import deserialize_message, serialize_message

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.chunks import TensorChunk
from iot_fl_ros.core.messages.feature_packet import FeaturePacket, read_packet
from iot_fl_ros.core.messages.federation import GlobalChunk
from iot_fl_ros.core.messages.fields import wire_fields, wire_size
from iot_fl_ros.exchange.chunking import Parcel
from iot_fl_ros.ros.convert import ROS_TYPES, decode, encode

MIRRORED = [cls for cls in ROS_TYPES if cls is not FeaturePacket]

BIG = Parcel.of({'w': np.arange(200_000, dtype=np.float32)}, round=1, model_version=0).chunks(
    GlobalChunk, run_id='r', sender_id='aggregator', stamp=1.0, first_sequence=0
)


@pytest.mark.parametrize('cls', MIRRORED, ids=lambda cls: cls.__name__)
def test_core_and_msg_files_have_the_same_fields(cls):
    ros = ROS_TYPES[cls].get_fields_and_field_types()
    core = {
        ('header' if name == 'stamp' else name): wire.ros_type for name, wire in wire_fields(cls)
    }
    assert core == dict(ros)


@pytest.mark.parametrize('message', [*ALL, *BIG], ids=lambda m: type(m).__name__)
def test_a_message_survives_and_its_size_is_known_without_ros(message):
    raw = encode(message)
    again = decode(type(message), raw)
    for name, _ in wire_fields(type(message)):
        before, after = getattr(message, name), getattr(again, name)
        assert before == after or before != before, name
    assert wire_size(message) == len(raw)


@pytest.mark.parametrize('message', ALL, ids=lambda m: type(m).__name__)
def test_cut_bytes_are_refused_and_nothing_else_happens(message):
    raw = encode(message)
    for length in range(0, len(raw), 7):
        try:
            decode(type(message), raw[:length])
        except MessageError:
            continue
        pytest.fail(f'{length} of {len(raw)} bytes were accepted')


def test_random_bytes_are_refused():
    rng = np.random.default_rng(0)
    for cls in ROS_TYPES:
        for size in (1, 10, 200, 3000):
            read = read_packet if cls is FeaturePacket else partial(decode, cls)
            with pytest.raises(MessageError):
                read(rng.bytes(size))


def test_a_length_field_that_lies_costs_no_memory():
    raw = bytearray(encode(CHUNK))
    at = raw.index(CHUNK.data) - 4
    raw[at : at + 4] = (0xFFFFFFF0).to_bytes(4, 'little')
    with pytest.raises(MessageError):
        decode(TensorChunk, bytes(raw))


def test_oversized_messages_are_refused_unread():
    ros = ROS_TYPES[TensorChunk]()
    ros.data = array.array('B', bytes(2 << 20))
    with pytest.raises(MessageError) as error:
        decode(TensorChunk, serialize_message(ros))
    assert error.value.reason == 'oversized'


def as_ros(packet):
    """The generated class with the values of a packet."""
    ros = ROS_TYPES[FeaturePacket]()
    ros.header.stamp.sec, ros.header.stamp.nanosec = divmod(packet.stamp, 1_000_000_000)
    ros.header.frame_id = packet.frame_id
    for name in FeaturePacket._fields[2:-2]:
        setattr(ros, name, getattr(packet, name))
    ros.ranges = array.array('f', packet.ranges)
    ros.data = array.array('B', packet.data)
    return ros


def padding_of(packet):
    """Where nothing stands behind the two names of a serialized packet."""
    end = 12
    for name in (packet.frame_id, packet.robot_id):
        end += 4 + len(name.encode()) + 1
        yield end, end + -end % 4
        end += -end % 4


def test_feature_packets_have_the_fields_of_their_file():
    names = list(ROS_TYPES[FeaturePacket].get_fields_and_field_types())
    assert names == ['header', *FeaturePacket._fields[2:]]
    assert FeaturePacket._fields[:2] == ('stamp', 'frame_id')


@given(frames())
def test_feature_packets_written_by_hand_are_those_of_rclpy(frame):
    for packet, raw in zip(packets_of(frame), frame.to_bytes(), strict=True):
        by_rclpy = bytearray(serialize_message(as_ros(packet)))
        for start, end in padding_of(packet):
            by_rclpy[start:end] = bytes(end - start)  # whatever was there in memory
        assert raw == by_rclpy[: len(raw)]
        assert len(by_rclpy) - len(raw) < 4
        by_rclpy = bytes(by_rclpy)
        assert read_packet(by_rclpy) == packet
        assert deserialize_message(raw, ROS_TYPES[FeaturePacket]) == as_ros(packet)


def test_rclpy_too_reads_the_big_endian_packets_of_the_tests():
    packet = packets_of(FRAME)[2]
    again = deserialize_message(cdr(packet, '>'), ROS_TYPES[FeaturePacket])
    assert again == as_ros(packet)
