"""Feature packets on the wire: what is written is read, and nothing else gets through."""

import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packet_examples import BILLION, FRAME, cdr, frames, packets_of

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.feature_packet import (
    MAX_RANGES,
    read_packet,
)


def read_or_refuse(raw):
    """Return the packet in `raw`, all promises checked, or None if it is refused."""
    try:
        packet = read_packet(raw)
    except MessageError:
        return None
    assert 0 <= packet.stamp < (1 << 31) * BILLION
    assert all(len(name.encode()) <= 255 for name in (packet.frame_id, packet.robot_id))
    assert all(0 <= number < 1 << 32 for number in packet[3:7])
    assert all(0 <= number < 1 << 16 for number in packet[7:11])
    assert 0 <= packet.element_count < 1 << 32
    assert len(packet.ranges) <= MAX_RANGES
    assert all(map(math.isfinite, packet.ranges))
    assert len(packet.data) < len(raw)
    return packet


@given(frames())
def test_what_is_written_is_read(frame):
    raw = frame.to_bytes()
    assert [read_packet(one) for one in raw] == packets_of(frame)
    assert raw == [cdr(packet) for packet in packets_of(frame)]


@given(frames())
def test_big_endian_senders_are_understood(frame):
    for packet in packets_of(frame):
        assert read_packet(cdr(packet, '>')) == packet


def test_up_to_three_bytes_of_padding_are_no_data():
    raw = FRAME.to_bytes()[0]
    for padding in range(4):
        assert read_packet(raw + bytes(padding)) == packets_of(FRAME)[0]
    with pytest.raises(MessageError, match='bad length'):
        read_packet(raw + bytes(4))


@pytest.mark.parametrize('order', '<>')
def test_packets_that_are_cut_anywhere_are_refused(order):
    raw = cdr(packets_of(FRAME)[1], order)
    for length in range(len(raw)):
        with pytest.raises(MessageError):
            read_packet(raw[:length])


@pytest.mark.parametrize('order', '<>')
def test_any_flipped_bit_is_refused_or_harmless(order):
    raw = cdr(packets_of(FRAME)[1], order)
    refused = 0
    for bit in range(8 * len(raw)):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        refused += read_or_refuse(bytes(flipped)) is None
    assert refused > 100


@settings(max_examples=300)
@given(st.binary(max_size=300), st.booleans())
def test_random_bytes_are_refused_or_harmless(raw, with_header):
    read_or_refuse(b'\x00\x01\x00\x00' + raw if with_header else raw)


@settings(max_examples=200)
@given(frames(), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=8))
def test_packets_with_changed_bytes_are_refused_or_harmless(frame, changes):
    raw = bytearray(frame.to_bytes()[0])
    for at, value in changes:
        raw[at % len(raw)] = value
    read_or_refuse(bytes(raw))


@pytest.mark.parametrize('field', ['frame_id', 'robot_id', 'ranges', 'data'])
@pytest.mark.parametrize('length', [1_000, 1 << 31, (1 << 32) - 1])
def test_a_length_that_lies_is_refused(field, length):
    with pytest.raises(MessageError):
        read_packet(cdr(packets_of(FRAME)[0], **{field: length}))


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        ({'frame_id': 'x' * 256}, 'bad text'),
        ({'robot_id': 'é' * 128}, 'bad text'),
        ({'ranges': (math.nan,)}, 'not finite'),
        ({'ranges': (0.0, -math.inf)}, 'not finite'),
        ({'ranges': (0.0,) * (MAX_RANGES + 1)}, 'too long'),
        ({'stamp': -1}, 'out of range'),
        ({'data': memoryview(bytes(5_000))}, 'oversized'),
    ],
)
def test_bad_fields_are_refused_with_a_reason(change, reason):
    with pytest.raises(MessageError) as error:
        read_packet(cdr(packets_of(FRAME)[0]._replace(**change)))
    assert error.value.reason == reason


def test_nanoseconds_beyond_a_second_other_encodings_and_bad_text_are_refused():
    raw = FRAME.to_bytes()[0]
    late = raw[:8] + struct.pack('<I', BILLION) + raw[12:]
    for bad in (
        late,
        b'\x00\x03' + raw[2:],
        b'\x01\x01' + raw[2:],
        raw.replace(b'cam', b'c\xffm'),
    ):
        with pytest.raises(MessageError):
            read_packet(bad)
