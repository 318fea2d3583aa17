"""Feature packets, made up and by hand."""

from __future__ import annotations

import struct

import numpy as np
from hypothesis import strategies as st

from iot_fl_ros.core.messages.feature_packet import (
    MAX_RANGES,
    FeaturePacket,
    FramePackets,
)

BILLION = 1_000_000_000
NAMES = st.text(
    st.characters(exclude_categories=['Cs'], exclude_characters='\0'), max_size=80
).filter(lambda text: len(text.encode()) <= 255)
UINT16, UINT32 = st.integers(0, (1 << 16) - 1), st.integers(0, (1 << 32) - 1)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@st.composite
def frames(draw):
    """Packets of any frame that the types allow."""
    count, size = draw(st.integers(1, 4)), draw(st.integers(0, 50))
    payload = np.frombuffer(draw(st.binary(min_size=count * size, max_size=count * size)), 'u1')
    return FramePackets(
        draw(st.integers(0, (1 << 31) * BILLION - 1)),
        draw(NAMES),
        draw(NAMES),
        draw(UINT32),
        draw(UINT32),
        draw(UINT32),
        draw(UINT32),
        (draw(UINT16), draw(UINT16)),
        draw(UINT32),
        np.array(draw(st.lists(FLOATS, max_size=MAX_RANGES)), np.float32),
        payload.reshape(count, size),
    )


FRAME = FramePackets(
    1_700_000_000_123_456_789, 'camera', 'robot_1', 7, 2, 100, 3, (640, 480), 40,
    np.array([-1.5, 2.5], np.float32), np.arange(30, dtype=np.uint8).reshape(3, 10),
)  # fmt: skip


def packets_of(frame):
    """The packets that a reader should see."""
    return [
        FeaturePacket(
            frame.stamp, frame.frame_id, frame.robot_id, frame.session, frame.epoch,
            (frame.sequence + index) % (1 << 32), frame.frame, index, len(frame.payload),
            *frame.image_size, frame.element_count, tuple(map(float, frame.ranges)),
            memoryview(row.tobytes()),
        )
        for index, row in enumerate(frame.payload)
    ]  # fmt: skip


def cdr(packet, order='<', **change):
    """Write a packet field by field, in either byte order; `change` lies about lengths."""
    out = bytearray(struct.pack(order + 'iI', *divmod(packet.stamp, BILLION)))

    def uint32(value):
        out.extend(bytes(-len(out) % 4) + struct.pack(order + 'I', value))

    for name in ('frame_id', 'robot_id'):
        raw = getattr(packet, name).encode() + b'\0'
        uint32(change.get(name, len(raw)))
        out.extend(raw)
    for name in ('session', 'epoch', 'sequence', 'frame'):
        uint32(getattr(packet, name))
    for name in ('packet_index', 'packet_count', 'image_width', 'image_height'):
        out.extend(struct.pack(order + 'H', getattr(packet, name)))
    uint32(packet.element_count)
    uint32(change.get('ranges', len(packet.ranges)))
    out.extend(struct.pack(f'{order}{len(packet.ranges)}f', *packet.ranges))
    uint32(change.get('data', len(packet.data)))
    out.extend(packet.data)
    return bytes([0, order == '<', 0, 0]) + bytes(out)
