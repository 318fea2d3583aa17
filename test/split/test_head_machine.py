"""The head's state machine: which pictures become packets."""

from dataclasses import replace

import numpy as np
import pytest
from head_driver import DEADLINE
from message_examples import INFERENCE

from iot_fl_ros.core.events import Leave, PictureArrived
from iot_fl_ros.core.messages.feature_packet import FramePackets, read_packet
from iot_fl_ros.core.messages.fields import SourceHeader
from iot_fl_ros.core.messages.split import Inference, TailState
from iot_fl_ros.split.jobs import EncodeFrame, LoadBundle


def test_pictures_before_the_first_epoch_are_only_counted(head):
    head.picture()
    head.switch()
    head.work()
    head.picture()
    assert head.machine.info is None
    assert head.machine.endpoint.refusals == {('camera', 'before the first epoch'): 2}
    assert not head.jobs


def test_pictures_become_packets_with_their_header(head):
    head.ready()
    for value in (10, 20):
        head.picture(value)
        head.work()
    first, second = head.take(FramePackets)
    assert (first.frame_id, second.frame_id) == ('camera 10', 'camera 20')
    assert first.stamp == round(head.now * 1e9)
    assert (first.session, first.epoch, first.robot_id) == (7, 1, 'robot_1')
    assert first.image_size == (30, 20)
    assert (first.frame, first.sequence) == (0, 0)
    assert (second.frame, second.sequence) == (1, len(first.payload))
    assert first.payload.shape == (head.machine.info.packet_count, head.machine.info.packet_bytes)
    assert not np.array_equal(first.payload, second.payload)


def test_numbers_begin_again_at_their_end(head):
    head.ready()
    head.machine._sequence = head.machine._frame = (1 << 32) - 1
    for _ in range(2):
        head.picture()
        head.work()
    first, second = head.take(FramePackets)
    packets = [read_packet(raw) for raw in first.to_bytes()]
    assert [packet.sequence for packet in packets[:3]] == [(1 << 32) - 1, 0, 1]
    assert (second.frame, second.sequence) == (0, len(packets) - 1)


def test_while_the_worker_is_busy_only_the_newest_picture_waits(head):
    head.ready()
    for value in range(4):
        head.picture(value)
    assert len(head.jobs) == 1
    head.work()
    assert [frame.frame_id for frame in head.take(FramePackets)] == ['camera 0', 'camera 3']
    assert head.machine.endpoint.refusals == {('camera', 'superseded'): 2}


def test_a_picture_that_waited_too_long_is_not_sent(head):
    head.ready()
    head.picture(0)
    head.picture(1)
    head.now += DEADLINE + 0.001
    head.work()
    assert [frame.frame_id for frame in head.take(FramePackets)] == ['camera 0']
    head.picture(2, age=DEADLINE + 0.001)
    assert head.machine.endpoint.refusals == {('camera', 'stale picture'): 2}
    assert 'clock' in head.warnings[-1]
    assert not head.jobs


def test_a_header_that_packets_cannot_carry_is_refused(head):
    head.ready()
    stamp = round(head.now * 1e9)
    head.tell(PictureArrived(SourceHeader(stamp, 'é' * 128), np.zeros((4, 4, 3), np.uint8)))
    assert head.machine.endpoint.refusals == {('camera', 'frame_id too long'): 1}
    head.tell(PictureArrived(SourceHeader(stamp, 'x' * 255), np.zeros((4, 4, 3), np.uint8)))
    head.work()
    (frame,) = head.take()
    assert read_packet(frame.to_bytes()[0]).frame_id == 'x' * 255


def test_an_unusable_picture_is_counted_and_the_next_one_goes_on(head):
    head.ready()
    head.tell(PictureArrived(SourceHeader(round(head.now * 1e9), ''), np.zeros((4, 4), np.uint8)))
    head.picture(1)
    head.work()
    assert head.machine.endpoint.refusals['camera', 'unusable picture'] == 1
    assert [frame.frame_id for frame in head.take(FramePackets)] == ['camera 1']


def test_bundles_are_loaded_beside_the_pictures(head):
    head.ready()
    head.background.clear()
    head.switch('two')
    head.picture(1)
    load, encode = head.jobs
    assert (type(load), type(encode)) == (LoadBundle, EncodeFrame)
    assert head.background == [load]


def answer(head, **fields):
    """Return what an edge says about the newest frame."""
    header = SourceHeader(round((head.now - 0.05) * 1e9), 'camera')
    mine = {'robot_id': 'robot_1', 'session': 7, 'epoch': 1, 'frame': 0}
    return replace(INFERENCE, header=header, **(mine | fields))


def test_the_answers_of_this_session_are_given_to_the_robot(head):
    assert head.heard == {Inference: ('robot_1',)}
    head.ready()
    for _ in range(3):
        head.picture()
        head.work()
        head.advance(0.5)
    assert head.machine.answers.silence(head.now) == pytest.approx(1.5)
    head.hear(answer(head, session=6))
    assert not head.answers
    head.hear(given := answer(head))
    assert head.answers == [given]
    assert head.machine.answers.silence(head.now) == 0.0
    assert (head.machine.answers.sent, head.machine.answers.answered) == (3, 1)
    assert head.machine.answers.seconds.mean == pytest.approx(0.05, abs=1e-6)


def test_frames_without_answers_are_told_and_when_answers_come_again(head):
    head.ready()
    for _ in range(13):
        head.picture()
        head.work()
        head.advance(0.5)
    assert head.warnings == ['no answers for 4 s: is the tail running, and can it be reached?']
    head.hear(answer(head))
    assert head.said[-1] == 'answers come again, after 6 s'
    head.advance(60.0)
    assert len(head.warnings) == 1, 'no pictures, no answers'


def test_it_says_what_it_offers_for_whom_it_waits_and_what_it_did(head):
    head.switch()
    head.work()
    (offer,) = head.said
    assert offer.startswith("bundle 'one' is offered to the edge: classification, split at pool, ")
    head.advance(12.0)
    assert "waits for an edge that takes bundle 'one'" in head.said[-1]
    head.edge(1)
    head.picture()
    head.work()
    head.advance(0.2)
    head.tell(Leave())
    assert head.said[-1] == 'leaves: 1 frames sent, 0 answered'


def test_who_is_not_served_any_more_misses_no_answers_besides(head):
    head.ready()
    head.edge(1, TailState.REFUSED, 'the place is needed')
    for _ in range(20):
        head.picture()
        head.work()
        head.advance(0.5)
    assert head.machine.answers.silence(head.now) > 4.0
    assert [text for text in head.warnings if 'no answers' in text] == []


def test_a_dead_tail_is_told_for_as_long_as_it_is_dead_and_not_taken_for_answers(head):
    head.ready()
    for _ in range(400):
        head.picture()
        head.work()
        head.advance(0.5)
    assert head.warnings[-1].startswith('no answers for 194 s')
    said = len(head.said)
    head.advance(30.0)  # the camera stops
    assert len(head.said) == said


def test_a_head_without_a_bundle_says_so_again_and_again(head):
    head.switch('missing')
    head.work()
    head.advance(12.0)
    assert 'waits for another bundle by ~/switch_split, as ' in head.said[-1]
    assert 'missing' in head.said[-1]
