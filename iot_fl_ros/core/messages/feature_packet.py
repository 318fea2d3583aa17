"""Feature packets and their bytes on the wire.

A camera at 30 Hz makes thousands of packets a second, so these are not taken through the generated
ROS classes: a packet's bytes are written and read here in one go. The layout is plain CDR (OMG
DDS-RTPS, 10.2) of msg/FeaturePacket.msg; a test holds it to what rclpy makes of that file.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.delivery import Delivery, Role

# More than any legal packet: 1,200 B of features, ranges and names.
MAX_WIRE_BYTES = 4_096
MAX_RANGES = 64
MAX_NAME = 255  # bytes
_HEADER = 4
_BILLION = 1_000_000_000
_NUMBERS = {order: struct.Struct(order + 'IIIIHHHHI') for order in '<>'}
_UINT32 = {order: struct.Struct(order + 'I') for order in '<>'}
_STAMP = {order: struct.Struct(order + 'iI') for order in '<>'}
_ENCAPSULATION = b'\x00\x01\x00\x00'


class _Fields(NamedTuple):
    stamp: int
    frame_id: str
    robot_id: str
    session: int
    epoch: int
    sequence: int
    frame: int
    packet_index: int
    packet_count: int
    image_width: int
    image_height: int
    element_count: int
    ranges: tuple[float, ...]
    data: memoryview


class FeaturePacket(_Fields):
    """One packet; fields as in msg/FeaturePacket.msg. stamp: nanoseconds; data: a view."""

    __slots__ = ()
    TOPIC: ClassVar[str] = 'feature_packets'
    # The queue of a reader is shared by all robots.
    DELIVERY: ClassVar[Delivery] = Delivery((Role.HEAD,), (Role.TAIL,), reliable=False)
    ROS_TYPE: ClassVar[str] = ''

    @property
    def sender(self) -> str:
        """Id of the robot whose head sent it."""
        return self.robot_id


@dataclass(frozen=True, slots=True)
class FramePackets:
    """All packets of one frame, to be sent in order.

    sequence: number of the first one; image_size: width and height, pixels; payload: uint8
    [packets, packet_bytes]; ranges: float32.
    """

    stamp: int
    frame_id: str
    robot_id: str
    session: int
    epoch: int
    sequence: int
    frame: int
    image_size: tuple[int, int]
    element_count: int
    ranges: NDArray[np.float32]
    payload: NDArray[np.uint8]

    def to_bytes(self) -> list[bytes]:
        """Return each packet as the serialized ROS message."""
        seconds, nanoseconds = divmod(self.stamp, _BILLION)
        count, size = self.payload.shape
        # Offsets are counted behind the encapsulation, so alignment is that of `start`.
        start = bytearray(_STAMP['<'].pack(seconds, nanoseconds))
        for text in (self.frame_id, self.robot_id):
            raw = text.encode() + b'\0'
            start += struct.pack('<I', len(raw)) + raw
            start += bytes(-len(start) % 4)
        numbers = len(start)
        start += _NUMBERS['<'].pack(
            self.session, self.epoch, 0, self.frame, 0, count, *self.image_size,
            self.element_count,
        )  # fmt: skip
        start += struct.pack('<I', len(self.ranges)) + self.ranges.astype('<f4').tobytes()
        start += struct.pack('<I', size)
        data = self.payload.tobytes()
        packets = []
        for index in range(count):
            struct.pack_into('<I', start, numbers + 8, (self.sequence + index) & 0xFFFFFFFF)
            struct.pack_into('<H', start, numbers + 16, index)
            packets.append(
                b''.join((_ENCAPSULATION, start, data[index * size : (index + 1) * size]))
            )
        return packets


def read_packet(raw: bytes) -> FeaturePacket:
    """Return the packet in a serialized ROS message; MessageError if it is not a right one.

    Nothing is copied but names and ranges; sizes are checked before anything is read.
    """
    if not _HEADER < len(raw) <= MAX_WIRE_BYTES:
        raise MessageError('oversized', f'{len(raw)} bytes, limit {MAX_WIRE_BYTES}')
    order = {0: '>', 1: '<'}.get(raw[1])
    if raw[0] or order is None:
        raise MessageError('undecodable', f'encapsulation {raw[:2].hex()} is not plain CDR')
    view = memoryview(raw)[_HEADER:]
    try:
        seconds, nanoseconds = _STAMP[order].unpack_from(view, 0)
        frame_id, at = _text(view, 8, order)
        robot_id, at = _text(view, at, order)
        numbers = _NUMBERS[order].unpack_from(view, at)
        at += _NUMBERS[order].size
        range_count = _UINT32[order].unpack_from(view, at)[0]
        if range_count > MAX_RANGES:
            raise MessageError('too long', f'{range_count} ranges, limit {MAX_RANGES}')
        ranges = struct.unpack_from(f'{order}{range_count}f', view, at + 4) if range_count else ()
        at += 4 + 4 * range_count
        size = _UINT32[order].unpack_from(view, at)[0]
    except (struct.error, UnicodeDecodeError) as error:
        raise MessageError('undecodable', str(error)) from error
    at += 4
    # Some middleware fills up to four bytes.
    if not 0 <= len(view) - at - size < 4:
        raise MessageError('bad length', f'{size} bytes of data in {len(view) - at}')
    if seconds < 0 or nanoseconds >= _BILLION:
        raise MessageError('out of range', f'stamp {seconds} s {nanoseconds} ns')
    if not all(map(math.isfinite, ranges)):
        raise MessageError('not finite', 'ranges must be finite')
    return FeaturePacket(
        seconds * _BILLION + nanoseconds, frame_id, robot_id, *numbers, ranges,  # type: ignore[call-arg]
        view[at : at + size],
    )  # fmt: skip


def _text(view: memoryview, at: int, order: str) -> tuple[str, int]:
    """Return the string at offset `at` and the aligned offset behind it."""
    length = _UINT32[order].unpack_from(view, at)[0]
    end = at + 4 + length
    if not 0 < length <= MAX_NAME + 1 or end > len(view) or view[end - 1]:
        raise MessageError('bad text', f'a name of {length} bytes')
    return str(view[at + 4 : end - 1], 'utf-8'), end + (-end % 4)
