"""The head's state machine: how it and an edge agree on a bundle, at first and later."""

from dataclasses import replace

import pytest
from fake_driver import FakeDriver
from head_driver import DEADLINE, TIMEOUT, Head

from iot_fl_ros.core.events import JobDone, Leave
from iot_fl_ros.core.messages.feature_packet import FramePackets, read_packet
from iot_fl_ros.core.messages.split import Inference, SplitInfo, TailState
from iot_fl_ros.split.bundle import load_bundle
from iot_fl_ros.split.jobs import AnswerSettings, EncodeFrame, LoadBundle, TailWorker
from iot_fl_ros.split.tail import TailMachine


def test_the_first_epoch_is_in_use_when_an_edge_is_ready_for_it(head):
    head.switch(bits=8)
    head.work()
    (info,) = head.take()
    assert (info.robot_id, info.session, info.epoch, info.bundle) == ('robot_1', 7, 1, 'one')
    assert (info.bits, info.deadline, info.split_point) == (8, DEADLINE, 'pool')
    head.advance(100 * TIMEOUT)  # it may take as long as it takes
    for other in ({'robot_id': 'robot_2'}, {'session': 8}):
        head.edge(1, **other)
    head.edge(2)
    assert head.machine.info is None
    head.edge(1)
    assert head.machine.info is info
    assert head.outcomes == [(True, 1, '')]


def test_a_switch_takes_effect_when_the_edge_is_ready(head):
    head.ready()
    head.switch('two', 8)
    head.picture(0)
    head.work()
    info, before = head.take()
    assert (info.epoch, info.bundle, info.bits, before.epoch) == (2, 'two', 8, 1)
    head.edge(2)
    head.picture(1)
    head.work()
    (after,) = head.take()
    assert after.epoch == 2
    assert after.payload.nbytes > 3 * before.payload.nbytes
    head.advance(2 * TIMEOUT)
    assert head.outcomes == [(True, 1, ''), (True, 2, '')]
    assert not head.take()


def test_a_frame_that_was_made_during_the_switch_is_sent_as_what_it_is(head):
    head.ready()
    head.switch(bits=8)
    head.work()
    head.picture(0)
    head.edge(2)
    head.picture(1)
    head.work()
    frames = head.take(FramePackets)
    assert [(frame.frame_id, frame.epoch) for frame in frames] == [
        ('camera 0', 1),
        ('camera 1', 2),
    ]
    assert not head.machine.endpoint.refusals


@pytest.mark.parametrize('how', ['refused', 'silent'])
def test_without_the_edges_consent_everything_stays(head, how):
    old = head.ready().machine.info
    head.switch('two')
    head.work()
    assert [info.epoch for info in head.take()] == [2]
    if how == 'refused':
        head.edge(2, TailState.REFUSED, 'no such bundle')
    else:
        head.advance(TIMEOUT + 0.001)
    success, epoch, reason = head.outcomes[-1]
    assert (success, epoch) == (False, 1)
    assert ('edge refuses: no such bundle' if how == 'refused' else 'within 10 s') in reason
    assert head.take() == [old]  # what is latched is again what is in use
    head.edge(2)  # too late
    head.picture()
    head.work()
    assert [frame.epoch for frame in head.take()] == [1]
    head.switch('two')
    head.work()
    assert [info.epoch for info in head.take()] == [3]


def test_a_second_switch_at_the_same_time_is_refused(head):
    head.ready()
    head.switch('two')
    head.switch('one')
    assert head.outcomes[1:] == [(False, 1, 'another switch is under way')]
    head.work()
    head.edge(2)
    assert head.outcomes[2:] == [(True, 2, '')]


def test_bits_alone_change_the_bundle_in_use(head):
    head.ready('two')
    head.switch('', 16)
    head.work()
    (info,) = head.take(SplitInfo)
    assert (info.bundle, info.bits) == ('two', 16)


@pytest.mark.parametrize(
    ('bundle', 'bits', 'reason'),
    [('missing', 0, 'missing'), ('', 3, 'bits is 3'), ('../one', 0, 'plain name'),
     ('bundles/one', 0, 'plain name'), ('my bundle', 0, 'plain name'), ('.', 0, 'plain name')],
)  # fmt: skip
def test_a_bundle_that_cannot_be_had_is_refused_with_the_reason(head, bundle, bits, reason):
    head.ready()
    head.switch(bundle, bits)
    head.work()
    success, epoch, said = head.outcomes[-1]
    assert (success, epoch) == (False, 1)
    assert reason in said
    assert not head.take()


def test_a_bundle_that_cannot_be_announced_is_refused(head, bundles):
    head.ready()
    head.switch('two')
    bundle = load_bundle(bundles / 'two')
    head.tell(JobDone(head.jobs.pop(), replace(bundle, class_names=('x' * 300,))))
    assert head.outcomes[-1][:2] == (False, 1)
    assert 'cannot be announced' in head.outcomes[-1][2]


def test_without_a_first_bundle_bits_alone_are_refused(head):
    head.switch('', 8)
    assert head.outcomes == [(False, 0, 'no bundle is in use yet: name one')]
    head.switch()
    head.switch('', 8)
    head.work()
    head.edge(1)
    assert head.outcomes[1:] == [(False, 0, 'no bundle is in use yet: name one'), (True, 1, '')]


def test_refused_at_first_the_head_waits_for_another_edge(head):
    head.switch()
    head.work()
    head.edge(1, TailState.REFUSED, 'no such bundle')
    assert 'no such bundle' in head.warnings[-1]
    assert head.machine.info is None
    assert head.outcomes == [(False, 0, 'edge refuses: no such bundle')]
    head.edge(1)
    assert head.machine.info.epoch == 1, 'it stayed on offer'


def test_before_the_first_edge_a_later_request_replaces_the_one_before(head):
    head.switch('one')
    head.work()
    head.switch('two')
    head.work()
    assert [info.bundle for info in head.take()] == ['one', 'two']
    assert head.outcomes == [(False, 0, 'replaced by another request')]
    head.edge(1)  # about what has been replaced
    head.edge(2)
    assert head.outcomes[1:] == [(True, 2, '')]
    assert head.machine.info.bundle == 'two'


def test_an_edge_that_is_ready_for_the_first_bundle_does_not_answer_for_the_second(head):
    head.switch('one')
    head.work()
    head.switch('two')
    head.edge(1)
    assert head.outcomes == [(False, 0, 'replaced by another request')]
    assert head.machine.info.bundle == 'one'
    head.work()
    head.edge(2)
    assert head.outcomes[1:] == [(True, 2, '')]
    assert head.machine.info.bundle == 'two'


def test_an_edge_that_refuses_the_first_bundle_does_not_answer_for_the_second(head):
    head.switch('one')
    head.work()
    head.switch('two')
    head.edge(1, TailState.REFUSED, 'no such bundle')
    assert 'no such bundle' in head.warnings[-1]
    assert head.outcomes == [(False, 0, 'replaced by another request')]
    head.work()
    head.edge(2)
    assert head.outcomes[1:] == [(True, 2, '')]


def test_only_the_last_of_two_first_bundles_is_offered(head):
    head.switch('one')
    head.switch('two')
    head.work()
    assert [info.bundle for info in head.take(SplitInfo)] == ['two']
    head.edge(1)
    assert head.outcomes[1:] == [(True, 1, '')]


def test_head_and_tail_switch_again_and_again_without_losing_a_frame(head, bundles):
    tail = FakeDriver(TailMachine('edge', 8, 16), TailWorker(bundles, AnswerSettings()))
    sent, answered, statuses = 0, [], []

    def exchange(heard):
        for item in heard:
            if isinstance(item, FramePackets):
                tail.hear(*map(read_packet, item.to_bytes()))
            else:
                tail.hear(item)

    head.switch('one')
    for step in range(60):
        if step and step % 10 == 0 and head.machine.info:
            head.switch(('one', 'two')[step // 10 % 2], (1, 2, 4, 8)[step // 10 % 4])
        if head.machine.info:
            head.picture(step)
            sent += 1
        # A load and an encoding a step, messages take a step: everything happens in between.
        for job in head.jobs[:]:
            head.jobs.remove(job)
            head.tell(JobDone(job, head.worker.run(job)))
            assert isinstance(job, LoadBundle | EncodeFrame)
        exchange(head.take())
        tail.work()
        for message in tail.take():
            (answered if isinstance(message, Inference) else statuses).append(message)
        if step % 3 == 0:
            head.hear(*statuses)
            statuses.clear()
    head.work()
    exchange(head.take())
    tail.work()
    answered += tail.take(Inference)
    assert len(answered) == sent
    assert {answer.epoch for answer in answered} == {1, 2, 3, 4, 5, 6}
    assert [answer.frame for answer in answered] == list(range(len(answered)))
    assert not head.machine.endpoint.refusals
    assert not tail.machine.endpoint.refusals


def test_a_head_that_is_no_longer_served_asks_until_it_is(head):
    head.ready()
    head.edge(1, TailState.REFUSED, 'silent for 60 s')
    assert 'no longer serves' in head.warnings[-1]
    assert head.machine.refused == 'silent for 60 s'
    for _ in range(2):
        head.advance(5.1)
        assert [info.epoch for info in head.take(SplitInfo)] == [1]
    head.edge(1)
    assert not head.machine.refused
    head.advance(20.0)
    assert not head.take(SplitInfo)


def test_refused_at_first_the_head_asks_again(head):
    head.switch()
    head.work()
    head.take()
    head.edge(1, TailState.REFUSED, 'full')
    head.advance(5.1)
    assert [info.epoch for info in head.take(SplitInfo)] == [1]
    head.edge(1)
    head.advance(20.0)
    assert not head.take(SplitInfo)


def test_a_head_that_leaves_answers_the_switch_under_way(head):
    head.ready()
    head.switch('two')
    head.tell(Leave())
    assert head.outcomes[-1] == (False, 1, 'the head leaves')
    head.tell(Leave())
    assert len(head.outcomes) == 2, 'and only once'


def test_a_robot_may_be_called_as_the_edge_is(bundles):
    head = Head(bundles, 'edge')
    head.switch()
    head.work()
    head.edge(1, robot_id='edge')
    assert head.outcomes == [(True, 1, '')]
