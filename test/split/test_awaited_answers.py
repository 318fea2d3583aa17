"""Frames of a head, and for how long they have no answers."""

from dataclasses import replace

import pytest
from message_examples import INFERENCE

from iot_fl_ros.core.effects import Answered, Say, Warn
from iot_fl_ros.core.messages.fields import SourceHeader
from iot_fl_ros.split.awaited_answers import AwaitedAnswers


def answer(frame, stamp=0.0, session=7):
    header = SourceHeader(round(stamp * 1e9), 'camera')
    return replace(INFERENCE, header=header, session=session, frame=frame)


@pytest.fixture
def answers():
    return AwaitedAnswers(session=7)


def test_few_frames_without_an_answer_are_chance(answers):
    for now, silence in ((10.0, 0.0), (11.0, 0.0), (12.0, 2.5), (13.0, 3.5)):
        answers.frame_sent(now)
        assert answers.silence(now + 0.5) == silence


def test_frames_far_apart_are_missed_too(answers):
    for now in (10.0, 14.0, 18.0):
        answers.frame_sent(now)
    assert answers.silence(18.5) == 8.5


def test_silence_begins_anew_with_an_answer_and_with_a_pause(answers):
    for now in (10.0, 11.0, 12.0):
        answers.frame_sent(now)
    answers.take(answer(0), 12.5)
    assert answers.silence(12.6) == 0.0
    for now in (13.0, 14.0, 15.0):
        answers.frame_sent(now)
    assert answers.silence(19.9) == pytest.approx(6.9)
    assert answers.silence(20.1) == 0.0, 'no frame for 5 s: none goes out'
    for now in (30.0, 30.1, 30.2):
        answers.frame_sent(now)
    assert answers.silence(30.3) == pytest.approx(0.3)


def test_a_clock_that_is_set_back_is_a_pause(answers):
    for now in (100.0, 100.1, 100.2):
        answers.frame_sent(now)
    assert answers.silence(50.0) == 0.0
    for now in (50.0, 50.1, 50.2):
        answers.frame_sent(now)
    assert answers.silence(50.3) == pytest.approx(0.3)


def test_each_frame_of_this_session_is_answered_once(answers):
    first, second = answer(0, stamp=9.0), answer(1, stamp=9.5)
    assert answers.take(first, 10.0) == [Answered(first)]
    assert answers.take(second, 10.0) == [Answered(second)]
    assert answers.take(first, 10.1) == []
    assert answers.take(answer(2, session=6), 10.1) == []
    assert (answers.sent, answers.answered) == (0, 2)
    assert answers.seconds.mean == pytest.approx(0.75)


def test_silence_is_told_and_its_end(answers):
    assert answers.look(3.9) == []
    (warning,) = answers.look(4.1)
    assert isinstance(warning, Warn)
    assert warning.text == 'no answers for 4 s: is the tail running, and can it be reached?'
    given, said = answers.take(answer(0), 5.0)
    assert (type(given), type(said)) == (Answered, Say)
