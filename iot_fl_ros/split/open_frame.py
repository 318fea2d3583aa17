"""A frame that is being put together from its packets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.feature_packet import FeaturePacket
from iot_fl_ros.split.bundle import Bundle
from iot_fl_ros.split.codec import FeatureCodec

# Places in a FeaturePacket of what is the same in all packets of a frame.
_HEADER, _SIZE = slice(0, 3), slice(9, 11)


@dataclass(frozen=True, slots=True)
class ReceivedFrame:
    """The part of a frame that arrived: all that its answer needs.

    payload: uint8 [packets, packet_bytes], zeros where nothing arrived; arrived: bool [packets].
    """

    packet: FeaturePacket
    bundle: Bundle
    codec: FeatureCodec
    payload: NDArray[np.uint8]
    arrived: NDArray[np.bool_]
    ranges: NDArray[np.float32]

    @property
    def received(self) -> float:
        """Share of the features that arrived."""
        layout = self.codec.layout
        return float(self.arrived @ layout.packet_elements) / layout.elements


class OpenFrame:
    """Takes the packets of one frame; its memory is what the codec says, not what packets say.

    The first packet decides about stamp, frame_id and ranges; a packet that says otherwise is
    refused. codec: of its epoch, maybe with other bits than the bundle's; due: when to close it.
    """

    def __init__(
        self, first: FeaturePacket, bundle: Bundle, codec: FeatureCodec, due: float
    ) -> None:
        layout = codec.layout
        check_packet(first, codec)
        self.first = first
        self._bundle = bundle
        self.codec = codec
        self.due = self._latest = due
        self._size = layout.packet_bytes
        self._payload = bytearray(layout.frame_bytes)
        self._arrived = bytearray(layout.packets)
        self.count = 0
        self.add(first)

    def wait_until(self, due: float) -> None:
        """Close at `due`, but not later than at first said."""
        self.due = min(due, self._latest)

    @property
    def complete(self) -> bool:
        """True if all packets are there."""
        return self.count == len(self._arrived)

    def add(self, packet: FeaturePacket) -> None:
        """Put a packet's data in its place; MessageError if it does not belong here."""
        first = self.first
        if packet is not first:
            check_packet(packet, self.codec)
            if packet.stamp != first.stamp or packet.ranges != first.ranges:
                raise MessageError('inconsistent', 'another stamp or range than its frame has')
            if packet[_HEADER] != first[_HEADER] or packet[_SIZE] != first[_SIZE]:
                raise MessageError('inconsistent', 'another header or picture than its frame has')
        index = packet.packet_index
        if self._arrived[index]:
            raise MessageError('duplicate', f'packet {index} of frame {packet.frame} again')
        self._payload[index * self._size : (index + 1) * self._size] = packet.data
        self._arrived[index] = 1
        self.count += 1

    def close(self) -> ReceivedFrame:
        """Return what has arrived."""
        layout = self.codec.layout
        payload = np.frombuffer(self._payload, np.uint8)
        return ReceivedFrame(
            self.first,
            self._bundle,
            self.codec,
            payload.reshape(layout.packets, layout.packet_bytes),
            np.frombuffer(self._arrived, np.bool_),
            np.array(self.first.ranges, np.float32),
        )


def check_packet(packet: FeaturePacket, codec: FeatureCodec) -> None:
    """Raise MessageError unless the packet can be one of a frame of `codec`."""
    layout = codec.layout
    if packet.packet_count != layout.packets or packet.element_count != layout.elements:
        raise MessageError(
            'bad shape',
            f'{packet.packet_count} packets of {packet.element_count} elements, not '
            f'{layout.packets} of {layout.elements}',
        )
    if packet.packet_index >= layout.packets:
        raise MessageError('out of range', f'packet {packet.packet_index} of {layout.packets}')
    if len(packet.data) != layout.packet_bytes:
        raise MessageError('bad length', f'{len(packet.data)} B, not {layout.packet_bytes}')
    if len(packet.ranges) != codec.range_count:
        raise MessageError('bad shape', f'{len(packet.ranges)} ranges, not {codec.range_count}')
