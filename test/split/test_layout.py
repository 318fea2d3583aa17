"""Where features lie in packets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.split.layout import MAX_PACKET_BYTES, MAX_PACKETS, ORDERS, PacketLayout

BITS = (1, 2, 4, 8, 16, 32)
LAYOUTS = st.builds(
    PacketLayout,
    elements=st.integers(1, 30_000) | st.integers(1, 20),
    bits=st.sampled_from(BITS),
    order=st.sampled_from(ORDERS),
    seed=st.integers(0, 1 << 40),
    min_packets=st.sampled_from((1, 3, 16, 1_000)),
)


@given(LAYOUTS)
def test_every_element_is_in_exactly_one_packet(layout):
    assert layout.packet_of.shape == (layout.elements,)
    assert 0 <= layout.packet_of.min() <= layout.packet_of.max() < layout.packets
    assert layout.packet_elements.sum() == layout.elements
    counted = np.bincount(layout.packet_of, minlength=layout.packets)
    assert np.array_equal(layout.packet_elements, counted)
    # A packet without elements would be sent for nothing.
    assert layout.packet_elements.min() >= 1


@given(LAYOUTS)
def test_place_and_source_undo_each_other(layout):
    source = layout.source.reshape(-1)
    assert np.array_equal(source[layout.place], np.arange(layout.elements))
    used = source < layout.elements
    assert np.array_equal(layout.place[source[used]], np.flatnonzero(used))
    assert (source[~used] == layout.elements).all()
    assert used.sum() == layout.elements


@given(LAYOUTS)
def test_packets_are_small_and_not_more_than_needed(layout):
    assert 1 <= layout.packet_bytes <= MAX_PACKET_BYTES
    assert 1 <= layout.packets <= MAX_PACKETS
    assert layout.frame_bytes == layout.packets * layout.packet_bytes
    bits = layout.elements * layout.bits
    assert 8 * layout.frame_bytes >= bits
    # At most the last packet's share is filling.
    assert layout.frame_bytes - -(-bits // 8) < layout.packet_bytes


@given(LAYOUTS)
def test_a_small_frame_is_spread_over_packets_as_wished(layout):
    words = -(-layout.elements // layout.slots_per_word)
    if words <= layout.min_packets:
        assert layout.packets == words
    else:
        # Equal packets cannot make every number of packets.
        assert 2 * layout.packets > min(layout.min_packets, words)


@pytest.mark.parametrize('bits', BITS)
def test_sequential_packets_hold_neighbours(bits):
    layout = PacketLayout(10_000, bits, 'sequential')
    for packet in range(layout.packets):
        inside = np.flatnonzero(layout.packet_of == packet)
        assert (np.diff(inside) == 1).all()


@pytest.mark.parametrize('bits', BITS)
def test_interleaved_packets_hold_elements_from_all_over(bits):
    layout = PacketLayout(10_000, bits)
    for packet in range(layout.packets):
        inside = np.flatnonzero(layout.packet_of == packet)
        assert np.histogram(inside, 4, (0, 10_000))[0].min() > len(inside) / 8


def test_both_ends_see_whether_their_order_is_the_same():
    layout = PacketLayout(1_000, 8, seed=3)
    same = PacketLayout(1_000, 8, seed=3)
    assert layout.digest == same.digest
    assert np.array_equal(layout.source, same.source)
    for change in ({'seed': 4}, {'order': 'sequential'}, {'elements': 999}):
        fields = {'elements': 1_000, 'bits': 8, 'seed': 3, **change}
        assert PacketLayout(**fields).digest != layout.digest, change


@pytest.mark.parametrize(
    'change',
    [
        {'bits': 3}, {'bits': 0}, {'bits': 64}, {'order': 'random'}, {'elements': 0},
        {'elements': -5}, {'elements': 1 << 28, 'bits': 32},
        {'elements': 100_000, 'min_packets': 100_000},
    ],
)  # fmt: skip
def test_impossible_layouts_are_refused(change):
    with pytest.raises(ConfigError):
        PacketLayout(**{'elements': 100, 'bits': 8, **change})
