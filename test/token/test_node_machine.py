"""A robot of a Tram-FL fleet: what it shares among its tokens, refuses, says and ends."""

import dataclasses
import itertools

import numpy as np
import pytest
from fake_driver import FakeDriver
from message_examples import TOKEN_CLAIM, TOKEN_OFFER, TRAM_STATUS

from iot_fl_ros.core.effects import PreparePublisher, Record, RunEnded, Subscribe
from iot_fl_ros.core.events import JobDone, JobFailed, Leave
from iot_fl_ros.core.messages.token import (
    TokenChunk,
    TokenState,
    TokenVote,
    TramState,
    TramStatus,
)
from iot_fl_ros.token.acceptor import Promise
from iot_fl_ros.token.jobs import KeepPromise, KeepToken, Merge, Prepare, Prepared, Visit, Visited
from iot_fl_ros.token.node_machine import NodeMachine
from iot_fl_ros.token.settings import TramNodeSettings
from iot_fl_ros.token.states import Place
from iot_fl_ros.token.token import Log, Token, token_specs, token_tensors

FINISHED = TramState.FINISHED
NUMBERS = itertools.count(2)
IDS = ('a', 'b', 'c')
TENSORS = token_tensors(np.zeros(4, np.float32), np.zeros(3, np.float32), 32)


def prepared(tokens=1):
    made = tuple(Token(i, 0, False, Log((0, 0)), TENSORS) for i in range(tokens))
    promises = tuple(Promise() for _ in range(tokens))
    return Prepared('run-1', (5, 5), token_specs(4, 3, 32), made, promises)


def driver(tokens=1, robot_id='a', ready=True, **changes):
    flat = {'tram.robots': list(IDS), 'tram.tokens': tokens, 'run.lease': 5.0, **changes}
    one = FakeDriver(
        NodeMachine(robot_id, TramNodeSettings.from_flat(flat)),
        others=(PreparePublisher, Record, RunEnded, Subscribe),
    )
    if ready:
        (job,) = one.jobs
        assert job == Prepare()
        one.jobs.clear()
        one.tell(JobDone(job, prepared(tokens)))
    return one


def status(sender='b', **changes):
    here = {'stamp': 0.0, 'run_id': 'run-1', 'robot_id': sender}
    return dataclasses.replace(TRAM_STATUS, **(here | changes))


def offer(**changes):
    here = {'run_id': 'run-1', 'sender_id': 'b', 'receiver_id': 'a', 'route': ('a', 'c')}
    return dataclasses.replace(TOKEN_OFFER, stamp=0.0, **(here | changes))


def test_a_robot_prepares_first_and_tells_its_classes_then():
    one = driver(ready=False)
    assert one.machine.state is TramState.PREPARING
    one.hear(status())  # too early: statuses come again
    assert sum(one.machine.endpoint.refusals.values()) == 0
    one.tell(JobDone(Prepare(), prepared()))
    assert one.others == [Subscribe(TokenChunk, ('a',))]
    (told,) = one.take(TramStatus)
    assert (told.run_id, told.state, told.class_counts) == ('run-1', TramState.READY, (5, 5))


def test_who_cannot_prepare_says_why_and_ends():
    one = driver(ready=False)
    one.tell(JobFailed(Prepare(), 'DataError: no such file'))
    assert one.others == [RunEnded('a cannot take part: DataError: no such file')]
    (told,) = one.take(TramStatus)
    assert (told.state, told.reason) == (TramState.REFUSED, 'DataError: no such file')
    one.advance(3.0)
    assert {s.state for s in one.take(TramStatus)} == {TramState.REFUSED}, 'it goes on saying so'


@pytest.mark.parametrize(
    ('message', 'reason'),
    [
        (status(run_id='run-2'), 'foreign run'),
        (status(sender='z'), 'not of the fleet'),
        (status(token_states=(TokenState.ELSEWHERE,) * 2, promised=(0, 0), fences=(0, 0),
                bases=(0, 0)), 'bad length'),
        (offer(token_id=1), 'no such token'),
        (offer(class_usage=(10, 10, 10)), 'bad length'),
        (offer(shares=(1 << 31, 3)), 'out of range'),
    ],
    ids=lambda value: value if isinstance(value, str) else '',
)  # fmt: skip
def test_what_does_not_belong_here_is_refused_and_named(message, reason):
    one = driver()
    one.hear(message)
    assert [why for _, why in one.machine.endpoint.refusals if reason in why]
    assert one.machine.tokens[0].place is not Place.RECEIVING


def test_a_promise_that_is_not_on_disk_is_not_made():
    claim = dataclasses.replace(TOKEN_CLAIM, stamp=0.0, run_id='run-1', sender_id='b')
    one = driver()
    one.hear(status('b'), claim)
    job = one.jobs.pop()
    assert (type(job), job.claim) == (KeepPromise, claim)
    one.tell(JobFailed(job, 'no space left'))
    assert one.warnings == ['a promise is not on disk, so it is not made: no space left']
    assert not [vote for vote in one.take(TokenVote) if vote.granted]
    one.hear(claim)
    one.tell(JobDone(one.jobs.pop(), None))
    assert [vote.granted for vote in one.take(TokenVote)] == [1]


def test_an_offer_to_another_robot_is_none_of_its_business():
    one = driver(robot_id='c')
    one.hear(offer(receiver_id='b', sender_id='a', route=('b', 'c')))
    assert one.machine.tokens[0].place is not Place.RECEIVING
    assert sum(one.machine.endpoint.refusals.values()) == 0


def test_it_knows_whom_it_does_not_hear():
    one = driver()
    assert one.machine.missing() == ['b', 'c']
    one.hear(status('b'))
    assert one.machine.missing() == ['c']
    one.advance(6.0)  # a lease later
    assert one.machine.missing() == ['b', 'c']


def test_each_token_has_a_robot_where_it_starts():
    two = driver(tokens=2).machine
    assert [machine.token_id for machine in two.tokens] == [0, 1]
    starters = [machine._takeover._starter for machine in two.tokens]
    assert starters == ['a', 'b']


def waiting(one, *tokens, trained=True):
    """Let tokens wait for the worker, trained by another robot before."""
    for number in tokens:
        machine = one.machine.tokens[number]
        machine.fence = 3
        log = Log((5, 5), visits=1, updates=4)
        machine.token = Token(number, 3, trained, log, TENSORS)
        _put(machine, Place.WAITING)


def _put(machine, place):
    tracker = getattr(machine, '_places', machine)
    tracker.state = place


def test_one_token_is_trained_at_a_time():
    one = driver(tokens=2)
    waiting(one, 0, 1, trained=False)
    nothing = {'promised': (0, 0), 'fences': (0, 0), 'bases': (0, 0)}
    for number in (1, 2):
        states = (TokenState.ELSEWHERE,) * 2
        one.hear(status('b', token_states=states, sequence=number, **nothing))
        visits = [job for job in one.jobs if isinstance(job, Visit)]
        assert [job.token.token_id for job in visits] == [0]
    places = [machine.place for machine in one.machine.tokens]
    assert places == [Place.TRAINING, Place.WAITING]
    assert one.machine.state is TramState.TRAINING


def test_the_reason_of_a_robot_that_cannot_take_part_is_told():
    one = driver()
    nothing = dict.fromkeys(('token_states', 'promised', 'fences', 'bases', 'class_counts'), ())
    reason = 'DataError: no such file'
    one.hear(status('b', run_id='tram', state=TramState.REFUSED, reason=reason, **nothing))
    assert one.warnings == ['b cannot take part: DataError: no such file']
    assert sum(one.machine.endpoint.refusals.values()) == 0


def visited(machine, updates=8):
    log = Log((9, 9), visits=2, updates=updates)
    return Visited(Token(machine.token_id, 3, True, log, TENSORS), 0.25, 0.75, 2.0, (4, 4))


def test_a_trained_token_meets_one_that_waits_and_both_are_merged():
    one = driver(tokens=2, **{'tram.merge': True})
    first, second = one.machine.tokens
    waiting(one, 0, 1)
    _put(first, Place.TRAINING)
    job = Visit(first.token, 3, 4, False)
    one.tell(JobDone(job, visited(first)))
    (merge,) = [job for job in one.jobs if isinstance(job, Merge)]
    assert (merge.first.token_id, merge.second.token_id) == (0, 1)
    both = tuple(
        dataclasses.replace(token, log=dataclasses.replace(token.log, class_usage=(7, 7)))
        for token in (merge.first, merge.second)
    )
    one.others.clear()
    one.tell(JobDone(merge, both))
    assert [e.row['other'] for e in one.others if isinstance(e, Record)] == [1]
    assert [machine.token.log.class_usage for machine in (first, second)] == [(7, 7), (7, 7)]


def test_a_merge_that_came_too_late_changes_no_token():
    one = driver(tokens=2, **{'tram.merge': True})
    first, second = one.machine.tokens
    waiting(one, 0, 1)
    _put(first, Place.TRAINING)
    one.tell(JobDone(Visit(first.token, 3, 4, False), visited(first)))
    (merge,) = [job for job in one.jobs if isinstance(job, Merge)]
    gone = second.token
    _put(second, Place.ELSEWHERE)
    kept = first.token
    one.others.clear()
    one.jobs.clear()
    one.tell(JobDone(merge, (merge.first, merge.second)))
    assert not [e for e in one.others if isinstance(e, Record)]
    assert first.token is kept
    assert second.token is gone
    assert [job.token for job in one.jobs if isinstance(job, KeepToken)] == [kept]


def test_figures_of_a_visit_are_those_of_the_robot():
    one = driver()
    machine = one.machine.tokens[0]
    waiting(one, 0)
    _put(machine, Place.TRAINING)
    one.tell(JobDone(Visit(machine.token, 3, 4, True), visited(machine)))
    node = one.machine.context
    assert (node.loss, node.accuracy, node.train_seconds) == (0.25, 0.75, 2.0)
    assert (node.updates, node.site.batch_seconds) == (8, 0.5)


def test_who_leaves_says_so_unless_it_is_not_there_yet():
    early = driver(ready=False)
    early.tell(Leave())
    assert early.take(TramStatus) == []
    one = driver()
    one.take()
    one.tell(Leave())
    assert [told.state for told in one.take(TramStatus)] == [TramState.LEAVING]


def ends(one):
    return len([effect for effect in one.others if isinstance(effect, RunEnded)])


def hear_others(one, state, seconds=1):
    """Let the others tell the state of the token for some time, once a second."""
    robot = FINISHED if state == TokenState.FINISHED else TramState.READY
    for _ in range(seconds):
        for sender in ('b', 'c'):
            one.hear(status(sender, token_states=(state,), state=robot, sequence=next(NUMBERS)))
        one.advance(1.0)


def test_the_run_ends_once_the_others_know_it():
    one = driver()
    hear_others(one, TokenState.ELSEWHERE)
    _put(one.machine.tokens[0], Place.FINISHED)
    hear_others(one, TokenState.ELSEWHERE, 4)
    assert not ends(one)
    hear_others(one, TokenState.FINISHED, 3)
    assert ends(one) == 1
    (totals,) = [e.row for e in one.others if isinstance(e, Record) and e.row['kind'] == 'totals']
    assert totals['robot'] == 'a'
    one.advance(10.0)
    assert ends(one) == 1


def test_the_run_ends_when_the_others_had_time_enough_to_learn_it():
    one = driver()
    hear_others(one, TokenState.ELSEWHERE)
    _put(one.machine.tokens[0], Place.FINISHED)
    hear_others(one, TokenState.ELSEWHERE, 13)
    assert ends(one) == 1, 'after two leases'
