"""The tail's state machine: which packets become answers, and when."""

import dataclasses

import pytest
from fake_driver import FakeDriver
from tiny_split import Sender

from iot_fl_ros.core.events import JobDone, JobFailed, Leave
from iot_fl_ros.core.messages.split import Inference, SplitStatus, TailState
from iot_fl_ros.split.bundle import load_bundle
from iot_fl_ros.split.jobs import AnswerSettings, InferFrames, TailWorker
from iot_fl_ros.split.tail import TailMachine, max_open

SECONDS = 0.01  # that a frame takes


class QuickWorker(TailWorker):
    """The real worker, but with times that are always the same."""

    def run(self, job):
        return dataclasses.replace(super().run(job), seconds=SECONDS)


@pytest.fixture
def sender(bundles):
    return Sender(load_bundle(bundles / 'one'))


@pytest.fixture
def tail(bundles):
    """Return a maker of tails that serve the senders given."""

    def make(*senders, max_robots=8, max_batch=16, quiet_time=0.0):
        machine = TailMachine('edge', max_robots, max_batch, quiet_time)
        driver = FakeDriver(machine, QuickWorker(bundles, AnswerSettings()))
        announce(driver, *senders)
        return driver

    return make


def announce(driver, *senders):
    """Introduce senders; return the states that they are told."""
    for sender in senders:
        driver.hear(sender.info(driver.now))
    driver.work()
    return [TailState(status.state) for status in driver.take(SplitStatus)]


def numbers(messages):
    return [message.frame for message in messages]


def test_a_complete_frame_is_answered_at_once(tail, sender):
    driver = tail(sender)
    packets = sender.frame(3, driver.now)
    driver.advance(0.05)
    driver.hear(*packets[::-1][:-1])
    assert not driver.jobs
    driver.hear(packets[0])
    driver.work()
    (answer,) = driver.take()
    assert (answer.class_ids, answer.scores) == sender.answer(packets)
    assert answer.class_names[0] == sender.bundle.class_names[answer.class_ids[0]]
    assert answer.header == (packets[0].stamp, 'camera')
    assert (answer.robot_id, answer.session, answer.epoch, answer.frame) == ('robot_1', 7, 1, 3)
    assert (answer.received, answer.boxes) == (1.0, ())
    assert answer.latency == pytest.approx(0.05)


def test_an_incomplete_frame_is_answered_at_its_deadline_less_the_time_for_the_tail(tail, sender):
    driver = tail(sender)
    packets = sender.frame(0, driver.now)[::3]
    driver.hear(*packets)
    due = driver.timers['due'] - driver.now
    assert sender.deadline / 2 <= due <= sender.deadline - SECONDS
    driver.advance(due - 1e-6)
    assert not driver.jobs
    driver.advance(2e-6)
    driver.work()
    (answer,) = driver.take()
    assert (answer.class_ids, answer.scores) == sender.answer(packets)
    elements = sender.bundle.codec.layout.packet_elements
    assert answer.received == elements[::3].sum() / elements.sum()
    assert due <= answer.latency < sender.deadline
    driver.hear(*sender.frame(0, driver.now - due)[1:3])
    assert driver.machine.endpoint.refusals['robot_1', 'frame is over'] == 2
    assert not driver.jobs


def test_a_quiet_frame_need_not_wait_for_its_deadline_but_waits_no_longer(tail, sender):
    driver = tail(sender, quiet_time=0.03)
    for packet in sender.frame(0, driver.now)[:3]:
        driver.advance(0.02)
        driver.hear(packet)
    driver.advance(0.029)
    assert not driver.jobs
    driver.advance(0.002)
    driver.work()
    (answer,) = driver.take()
    assert 0.09 <= answer.latency < 0.0911
    for packet in sender.frame(1, driver.now)[:12]:
        driver.advance(0.02)
        driver.hear(packet)
        driver.work()
    (answer,) = driver.take()
    assert answer.received < 11 / 16
    assert answer.latency <= sender.deadline


def test_old_packets_and_those_from_the_future_are_dropped_with_a_hint(tail, sender):
    driver = tail(sender)
    driver.hear(*sender.frame(0, driver.now - sender.deadline - 1e-6))
    driver.hear(*sender.frame(1, driver.now + 0.6))
    assert driver.machine.endpoint.refusals['robot_1', 'stale'] == 16
    assert driver.machine.endpoint.refusals['robot_1', 'from the future'] == 16
    assert 'chrony' in driver.warnings[0]
    assert not driver.jobs
    assert not driver.timers


def test_while_the_worker_is_busy_only_the_newest_frame_waits(tail, sender):
    driver = tail(sender)
    for number in range(4):
        driver.hear(*sender.frame(number, driver.now + 0.01 * number))
    assert len(driver.jobs) == 1
    driver.work()
    assert numbers(driver.take(Inference)) == [0, 3]
    assert driver.machine.statistics['robot_1'].frames == {'superseded': 2, 'answered': 2}


def test_an_older_frame_that_closes_later_does_not_replace_a_newer_one(tail, sender):
    driver = tail(sender)
    old = sender.frame(1, driver.now)
    driver.hear(*sender.frame(0, driver.now), *old[1:])
    driver.hear(*sender.frame(2, driver.now + 0.01), old[0])
    driver.work()
    assert numbers(driver.take(Inference)) == [0, 2]


def test_frames_of_several_robots_go_through_the_tail_together_the_oldest_first(tail, sender):
    robots = [sender.other(robot_id=f'robot_{n}') for n in range(4)]
    driver = tail(*robots, max_batch=2)
    packets = [r.frame(9 - n, driver.now - 0.01 * n) for n, r in enumerate(robots)]
    for one in packets:
        driver.hear(*one)
    batches = []
    while driver.jobs:
        batches.append([frame.packet.robot_id for frame in driver.jobs[0].frames])
        job = driver.jobs.pop(0)
        driver.tell(JobDone(job, driver.worker.run(job)))
    assert batches == [['robot_0'], ['robot_3', 'robot_2'], ['robot_1']]
    for answer in driver.take(Inference):
        number = int(answer.robot_id[-1])
        assert answer.class_ids == robots[number].answer(packets[number])[0]


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
    assert not driver.timers


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


def test_a_tail_that_fails_goes_on_with_the_next_frame(tail, sender):
    driver = tail(sender)
    driver.hear(*sender.frame(0, driver.now), *sender.frame(1, driver.now))
    job = driver.jobs.pop()
    driver.tell(JobFailed(job, 'out of memory'))
    assert isinstance(driver.jobs[0], InferFrames)
    driver.work()
    assert numbers(driver.take(Inference)) == [1]
    assert driver.machine.statistics['robot_1'].frames['failed'] == 1


def test_of_too_many_open_frames_the_emptiest_goes(tail, sender):
    driver = tail(sender)
    assert max_open(50 << 20) == 8, 'frames of megabytes are few'
    most = max_open(sender.bundle.codec.layout.frame_bytes)
    for number in range(most + 1):
        count = 1 if number == 4 else 2
        driver.hear(*sender.frame(number, driver.now)[:count])
    assert {*range(most + 1)} - {*driver.machine._robots['robot_1'].frames} == {4}
    assert driver.machine.statistics['robot_1'].frames == {'pushed out': 1}


def test_lost_packets_are_counted_by_their_numbers(tail, sender):
    driver = tail(sender)
    for number in range(4):
        driver.hear(*sender.frame(number, driver.now)[1::2])
        driver.advance(1.0)
    loss = driver.machine.statistics['robot_1'].loss
    # What was before the first that arrived is not known.
    assert (loss.received, loss.lost) == (32, 31)


def test_packets_that_cannot_be_of_the_frame_do_not_count_as_received(tail, sender):
    driver = tail(sender)
    packets = sender.frame(0, driver.now)
    driver.hear(packets[0], packets[1]._replace(packet_count=99, sequence=500_000))
    loss = driver.machine.statistics['robot_1'].loss
    assert (loss.received, loss.sent) == (1, 1)


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


def test_a_frame_that_waited_past_its_deadline_is_dropped(tail, sender):
    driver = tail(sender)
    driver.hear(*sender.frame(1, driver.now))
    (busy,) = driver.jobs
    driver.hear(*sender.frame(2, driver.now))
    driver.jobs.clear()
    driver.advance(0.3)
    driver.tell(JobDone(busy, driver.worker.run(busy)))
    assert not driver.jobs
    assert driver.machine.statistics['robot_1'].frames['expired'] == 1


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
