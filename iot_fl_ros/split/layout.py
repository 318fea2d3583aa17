"""The place of each element of a frame's features: packet, byte, and bits of it.

Bytes of all packets form one array [packets * packet_bytes]. Byte j holds 8/bits elements; slot s
of it, in the bits from s * bits on, is row s of `order`. So packing is a few operations on whole
rows, and packet k is bytes k * packet_bytes and on. Which element lies where is arbitrary: in
`interleaved` order a permutation drawn from the seed (every packet holds elements from all over,
COMtune's interleaving, arXiv 2112.09407), in `sequential` order one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.core.seeds import generator
from iot_fl_ros.core.tensors import digest_of

# What fits one datagram on any link, with headers: a packet is lost alone.
MAX_PACKET_BYTES = 1_200
MAX_PACKETS = 65_535
ORDERS = ('interleaved', 'sequential')


@dataclass(frozen=True)
class PacketLayout:
    """Layout of `elements` numbers of `bits` bits in packets.

    min_packets: a small frame is spread over at least so many packets (not more than it has
    bytes), since a frame in one packet is lost whole.
    """

    elements: int
    bits: int
    order: str = 'interleaved'
    seed: int = 0
    min_packets: int = 1

    def __post_init__(self) -> None:
        if self.bits not in (1, 2, 4, 8, 16, 32):
            raise ConfigError(f'bits is {self.bits}: 1, 2, 4, 8, 16 or 32 is needed')
        if self.order not in ORDERS:
            raise ConfigError(f'order is {self.order!r}: {" or ".join(ORDERS)} is needed')
        if self.elements < 1 or self.packets > MAX_PACKETS:
            raise ConfigError(
                f'{self.elements} elements of {self.bits} bits do not fit 1..{MAX_PACKETS} packets'
            )

    @property
    def slots_per_word(self) -> int:
        """Elements in one byte; numbers of 16 and 32 bits are words of their own."""
        return max(1, 8 // self.bits)

    @property
    def word_bytes(self) -> int:
        """Bytes of a word: 1, or those of one number of more than 8 bits."""
        return max(1, self.bits // 8)

    @cached_property
    def packets(self) -> int:
        """Packets of a frame."""
        words = -(-self.elements // self.slots_per_word)
        wanted = max(self.min_packets, -(-words * self.word_bytes // MAX_PACKET_BYTES))
        words_per_packet = -(-words // min(wanted, words))
        return -(-words // words_per_packet)

    @cached_property
    def packet_words(self) -> int:
        """Words in each packet; the last one is filled up with zeros."""
        words = -(-self.elements // self.slots_per_word)
        return -(-words // self.packets)

    @property
    def packet_bytes(self) -> int:
        """Bytes of features in each packet."""
        return self.packet_words * self.word_bytes

    @property
    def frame_bytes(self) -> int:
        """Bytes of features in all packets of a frame."""
        return self.packets * self.packet_bytes

    @cached_property
    def source(self) -> NDArray[np.intp]:
        """Element in each place, intp [slots_per_word, words]; `elements` where there is none."""
        words = self.packets * self.packet_words
        places = self.slots_per_word * words
        if self.order == 'interleaved':
            index = generator(self.seed, 'interleaving', self.elements).permutation(places)
        else:
            # Packet by packet, so that its elements are neighbours.
            shape = (self.packets, self.slots_per_word, self.packet_words)
            index = np.arange(places).reshape(shape).swapaxes(0, 1).reshape(-1)
        table = np.minimum(index, self.elements).reshape(self.slots_per_word, words)
        return np.ascontiguousarray(table, np.intp)

    @cached_property
    def place(self) -> NDArray[np.intp]:
        """Place of each element, intp [elements]: index into the flattened `source`."""
        flat = self.source.reshape(-1)
        place = np.empty(self.elements, np.intp)
        used = flat < self.elements
        place[flat[used]] = np.flatnonzero(used)
        return place

    @cached_property
    def packet_of(self) -> NDArray[np.intp]:
        """Packet of each element, intp [elements]."""
        return np.asarray((self.place % self.source.shape[1]) // self.packet_words, np.intp)

    @cached_property
    def packet_elements(self) -> NDArray[np.intp]:
        """Number of elements in each packet, intp [packets]."""
        return np.bincount(self.packet_of, minlength=self.packets)

    @cached_property
    def digest(self) -> bytes:
        """BLAKE3 digest of sizes and order: both ends can see that theirs are the same."""
        sizes = np.array([self.elements, self.bits, self.packets, self.packet_words])
        numbers = np.concatenate([sizes, self.source.reshape(-1)]).astype('<u4')
        return digest_of(numbers.view(np.uint8).data)
