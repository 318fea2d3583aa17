"""The tail's state machine: which robots and which of their epochs are served."""

import dataclasses

import pytest
from fake_driver import FakeDriver
from tail_driver import announce, numbers
from tiny_split import Sender

from iot_fl_ros.core.events import JobFailed, Leave
from iot_fl_ros.core.messages.split import Inference, SplitStatus, TailState
from iot_fl_ros.split.bundle import load_bundle
from iot_fl_ros.split.jobs import AnswerSettings, TailWorker
from iot_fl_ros.split.tail import TailMachine


def test_packets_of_others_are_counted_and_dropped(tail, sender):
    driver = tail(sender)
    driver.hear(*sender.other(robot_id='robot_2').frame(0, driver.now)[:3])
    driver.hear(*sender.other(session=8).frame(0, driver.now)[:4])
    driver.hear(*sender.other(epoch=2).frame(0, driver.now)[:5])
    assert driver.machine.endpoint.refusals == {
        ('robot_2', 'unknown robot'): 3,
        ('robot_1', 'other session'): 4,
        ('robot_1', 'other epoch'): 5,
    }
    assert not driver.jobs
    assert 'due' not in driver.timers


def test_unknown_robots_cannot_fill_the_log(tail, sender):
    driver = tail(sender)
    for number in range(100):
        driver.hear(sender.other(robot_id=f'robot\n{number}').frame(0, driver.now)[0])
    assert '\n' not in ''.join(driver.warnings)
    assert len(driver.warning_keys) <= 2


def test_around_a_switch_every_frame_of_both_epochs_is_answered(tail, sender):
    driver, later = tail(sender), sender.other(bits=8, epoch=2)
    first = sender.frame(0, driver.now)
    driver.hear(*first[:5])
    assert announce(driver, later) == [TailState.READY]
    driver.hear(*sender.frame(1, driver.now))
    driver.work()
    second = later.frame(2, driver.now)
    driver.hear(*second[:5], *first[5:], *second[5:])  # some overtake others
    driver.work()
    answers = driver.take(Inference)
    assert [(a.epoch, a.frame, a.received) for a in answers] == [
        (1, 1, 1.0), (1, 0, 1.0), (2, 2, 1.0),
    ]  # fmt: skip
    assert answers[1].class_ids == sender.answer(first)[0]
    assert answers[2].scores == later.answer(second)[1]
    assert not driver.machine.endpoint.refusals


def test_a_frame_never_gets_packets_of_another_epoch(tail, sender):
    driver, later = tail(sender), sender.other(epoch=2)
    announce(driver, later)
    driver.hear(*sender.frame(0, driver.now)[:8], *later.frame(0, driver.now)[8:])
    assert driver.machine.endpoint.refusals['robot_1', 'inconsistent'] == 8
    assert not driver.jobs


def test_after_a_withdrawn_epoch_a_switch_still_loses_nothing(tail, sender):
    driver = tail(sender)
    announce(driver, sender.other(epoch=2))
    assert announce(driver, sender) == [TailState.READY]  # the head gave it up
    announce(driver, sender.other(epoch=3))
    driver.hear(*sender.frame(0, driver.now))
    driver.work()
    assert numbers(driver.take(Inference)) == [0]


def test_a_refused_epoch_leaves_the_old_one_in_use(tail, sender):
    driver = tail(sender)
    missing = dataclasses.replace(sender.info(driver.now), epoch=2, bundle='missing',
                                  bundle_digest=bytes(32))  # fmt: skip
    driver.hear(missing)
    driver.work()
    (status,) = driver.take(SplitStatus)
    assert (status.state, status.epoch, status.session) == (TailState.REFUSED, 2, 7)
    assert 'missing' in status.reason
    driver.hear(*sender.frame(0, driver.now))
    driver.work()
    assert numbers(driver.take(Inference)) == [0]


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        ({'bundle_digest': bytes(32)}, 'copy the same one'),
        ({'layout_digest': bytes(32)}, 'interleaving differs'),
        ({'packet_bytes': 9}, 'another size'),
        ({'bits': 3}, 'bits is 3'),
    ],
)
def test_what_does_not_fit_the_bundle_is_refused_with_the_reason(tail, sender, change, reason):
    driver = tail()
    driver.hear(dataclasses.replace(sender.info(driver.now), **change))
    driver.work()
    (status,) = driver.take(SplitStatus)
    assert status.state == TailState.REFUSED
    assert reason in status.reason


def test_an_epoch_that_means_something_else_is_prepared_anew(tail, sender):
    driver = tail(sender)
    driver.hear(sender.info(driver.now + 1))
    assert not driver.jobs
    other = sender.other(bits=4)
    assert announce(driver, other) == [TailState.READY, TailState.READY]
    packets = other.frame(0, driver.now)
    driver.hear(*packets)
    driver.work()
    (answer,) = driver.take(Inference)
    assert answer.scores == other.answer(packets)[1]


def test_the_failure_of_an_overtaken_epoch_does_not_forget_the_robot(tail, sender):
    driver, later = tail(), sender.other(epoch=2)
    driver.hear(sender.info(driver.now), later.info(driver.now))
    first, _ = driver.jobs
    driver.jobs.remove(first)
    driver.tell(JobFailed(first, 'no such bundle'))
    driver.work()
    assert [(s.epoch, s.state) for s in driver.take(SplitStatus)] == [
        (1, TailState.REFUSED), (2, TailState.READY),
    ]  # fmt: skip


def test_a_head_that_starts_anew_counts_from_the_beginning(tail, sender):
    driver, again = tail(sender), sender.other(session=8)
    driver.hear(*sender.frame(0, driver.now))
    assert announce(driver, again) == [TailState.READY]
    driver.hear(*sender.frame(1, driver.now), *again.frame(0, driver.now))
    driver.work()
    assert [(a.session, a.frame) for a in driver.take(Inference)] == [(8, 0)]
    assert driver.machine.statistics['robot_1'].loss.received == 16


def test_further_robots_than_allowed_are_refused(tail, sender):
    driver = tail(sender, max_robots=1)
    other = sender.other(robot_id='robot_2')
    assert announce(driver, other) == [TailState.REFUSED]
    assert announce(driver, sender.other(session=8)) == [TailState.READY]


def test_a_robot_that_could_not_be_served_takes_no_place(tail, sender):
    driver = tail(max_robots=1)
    driver.hear(dataclasses.replace(sender.info(driver.now), bundle_digest=bytes(32)))
    driver.work()
    driver.take()
    assert announce(driver, sender.other(robot_id='robot_2')) == [TailState.READY]


def test_a_robot_that_is_long_silent_makes_room_for_another(bundles):
    sender = Sender(load_bundle(bundles / 'one'))
    driver = FakeDriver(TailMachine('edge', 1, 1), TailWorker(bundles, AnswerSettings()))
    driver.hear(sender.info(driver.now))
    driver.work()
    other = sender.other(robot_id='robot_2')
    for seconds, served in ((30.0, ['robot_1']), (31.0, ['robot_2'])):
        driver.advance(seconds)
        driver.hear(other.info(driver.now))
        driver.work()
        assert list(driver.machine.statistics) == served


def test_a_robot_that_lost_its_place_is_told(bundles):
    sender = Sender(load_bundle(bundles / 'one'))
    driver = FakeDriver(TailMachine('edge', 1, 1), TailWorker(bundles, AnswerSettings()))
    driver.hear(sender.info(driver.now))
    driver.work()
    driver.take()
    driver.background.clear()
    driver.advance(61.0)
    driver.hear(sender.other(robot_id='robot_2').info(driver.now))
    (told,) = driver.take(SplitStatus)
    assert (told.robot_id, told.state) == ('robot_1', TailState.REFUSED)
    assert driver.background == driver.jobs, 'frames of others do not wait for it'


def test_a_tail_that_leaves_tells_every_head(tail, sender):
    driver = tail(sender, sender.other(robot_id='robot_2'))
    driver.take()
    driver.tell(Leave())
    told = driver.take(SplitStatus)
    assert [status.robot_id for status in told] == ['robot_1', 'robot_2']
    assert {(status.state, status.reason) for status in told} == {
        (TailState.REFUSED, 'the edge leaves')
    }


def test_a_robot_may_be_called_as_the_edge_is(tail, sender):
    driver = tail()
    assert announce(driver, sender.other(robot_id='edge')) == [TailState.READY]


def test_it_says_for_whom_it_waits_whom_it_serves_and_who_falls_silent(tail, sender):
    driver = tail()
    driver.advance(12.0)
    assert driver.said == ['waits for robots: no head has announced itself, 10 s so far']
    announce(driver, sender)
    assert driver.said[1].startswith("robot_1 is served: bundle 'one', ")
    driver.advance(5.0)
    driver.advance(10.0)
    assert driver.warnings == [
        f'no packets of robot_1 for {seconds} s: do its head and its camera run?'
        for seconds in (4, 14)
    ]
    driver.hear(*sender.frame(0, driver.now))
    driver.work()
    driver.advance(1.0)
    assert driver.said[2:] == ['packets of robot_1 come again, after 15 s']
    driver.tell(Leave())
    assert driver.said[3:] == ['leaves: 1 frames of robot_1 answered']


def test_who_is_away_for_a_minute_is_missed_no_more(tail, sender):
    driver = tail(sender)
    driver.advance(600.0)
    assert len(driver.warnings) <= 7
    assert driver.warnings[-1].endswith('. That is said no more')
    driver.hear(*sender.frame(0, driver.now))
    driver.work()
    driver.advance(1.0)
    assert 'come again' in driver.said[-1]


def test_announcements_are_no_packets(tail, sender):
    driver = tail(sender)
    for _ in range(20):
        announce(driver, sender)
        driver.advance(1.0)
    assert len(driver.warnings) == 2
    assert not any('come again' in text for text in driver.said)


@pytest.mark.parametrize('back', [0.0, 500.0])
def test_silence_is_told_if_the_clock_is_set_back_too(tail, sender, back):
    driver = tail(sender)
    driver.advance(2.0)
    driver.now -= back
    driver.timers = {name: due - back for name, due in driver.timers.items()}  # they are steady
    driver.advance(7.0)
    assert [text[:25] for text in driver.warnings] == ['no packets of robot_1 for']


def test_a_clock_that_is_set_back_keeps_no_place_for_who_has_gone(tail, sender):
    driver = tail(sender, max_robots=1)
    driver.now -= 3_600.0
    driver.timers = {name: due - 3_600.0 for name, due in driver.timers.items()}
    driver.advance(100.0)
    assert announce(driver, sender.other(robot_id='robot_2'))[-1] is TailState.READY


@pytest.mark.parametrize('wrong', [{'session': 9}, {'epoch': 5}])
def test_packets_that_are_dropped_are_not_said_to_stay_away(tail, sender, wrong):
    driver = tail(sender)
    for _ in range(20):
        driver.hear(*sender.other(**wrong).frame(0, driver.now)[:1])
        driver.advance(1.0)
    assert driver.warnings
    assert not any('no packets of' in text for text in driver.warnings)


def test_packets_with_a_wrong_clock_are_a_sign_of_life(tail, sender):
    driver = tail(sender)
    for _ in range(20):
        driver.hear(*sender.frame(0, driver.now - 100.0)[:1])
        driver.advance(1.0)
    assert not any('no packets of' in text for text in driver.warnings)
