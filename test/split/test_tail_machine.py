"""The tail's state machine: which packets become answers, and when."""

import pytest
from tail_driver import SECONDS, numbers

from iot_fl_ros.core.events import JobDone, JobFailed
from iot_fl_ros.core.messages.split import Inference
from iot_fl_ros.split.jobs import InferFrames
from iot_fl_ros.split.tail import max_open


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
    assert 'due' not in driver.timers


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
