"""A frame that is being put together from its packets."""

import pytest
from tiny_split import Sender, tiny_bundle

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.split.open_frame import OpenFrame

DUE = 1.0


@pytest.fixture(scope='module')
def sender(tmp_path_factory):
    """A head whose packets carry the range of their frame."""
    return Sender(tiny_bundle(tmp_path_factory.mktemp('bundle') / 'own', range='frame'))


@pytest.fixture
def packets(sender):
    return sender.frame(3, 0.0)


@pytest.fixture
def frame(sender, packets):
    return OpenFrame(packets[0], sender.bundle, sender.bundle.codec, DUE)


def test_all_packets_in_any_order_make_the_frame(frame, packets):
    for packet in packets[:0:-1]:
        assert not frame.complete
        frame.add(packet)
    assert frame.complete
    received = frame.close()
    assert received.received == 1.0
    assert [bytes(row) for row in received.payload] == [bytes(p.data) for p in packets]
    assert received.ranges.tolist() == pytest.approx(packets[0].ranges)


@pytest.mark.parametrize(
    'change',
    [
        lambda p: {'ranges': tuple(value + 1.0 for value in p.ranges)},
        lambda p: {'ranges': p.ranges[::-1]},
        lambda p: {'stamp': p.stamp + 1},
        lambda p: {'frame_id': 'other'},
        lambda p: {'image_width': p.image_width + 1},
    ],
    ids=['other ranges', 'ranges turned', 'stamp', 'frame_id', 'width'],
)
def test_a_packet_that_contradicts_the_first_is_refused(frame, packets, change):
    with pytest.raises(MessageError) as refused:
        frame.add(packets[1]._replace(**change(packets[1])))
    assert refused.value.reason == 'inconsistent'
    assert frame.count == 1
    frame.add(packets[1])
    assert frame.count == 2


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        (lambda p: {'packet_index': 999}, 'out of range'),
        (lambda p: {'packet_count': p.packet_count + 1}, 'bad shape'),
        (lambda p: {'element_count': p.element_count + 1}, 'bad shape'),
        (lambda p: {'data': p.data[:-1]}, 'bad length'),
        (lambda p: {'ranges': p.ranges[:-1]}, 'bad shape'),
        (lambda p: {}, 'duplicate'),
    ],
    ids=['index', 'count', 'elements', 'data', 'ranges', 'again'],
)
def test_what_cannot_be_of_the_frame_is_refused(frame, packets, change, reason):
    with pytest.raises(MessageError) as refused:
        frame.add(packets[0]._replace(**change(packets[0])))
    assert refused.value.reason == reason
    assert frame.count == 1


def test_what_did_not_arrive_is_zero_and_said(frame, packets):
    frame.add(packets[2])
    received = frame.close()
    assert received.arrived.nonzero()[0].tolist() == [0, 2]
    assert not received.payload[1].any()
    assert 0 < received.received < 1


def test_a_frame_is_closed_no_later_than_at_first_said(frame):
    frame.wait_until(DUE + 5.0)
    assert frame.due == DUE
    frame.wait_until(DUE - 0.5)
    assert frame.due == DUE - 0.5
