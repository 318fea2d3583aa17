"""The rules that keep a token from being forked."""

import pytest

from iot_fl_ros.core.messages.token import ClaimPhase, TokenClaim
from iot_fl_ros.token.acceptor import Acceptor, Promise, Recovery

LEASE = 4.0


@pytest.fixture
def acceptor():
    made = Acceptor(1, LEASE, give_up=0.0)
    made.start(0.0)
    return made


def ask(fence, base, robot='x'):
    return TokenClaim(
        stamp=0.0,
        run_id='run',
        sender_id=robot,
        token_id=0,
        phase=ClaimPhase.PREPARE,
        fence=fence,
        base=base,
    )


def take(fence, base, robot='x'):
    return TokenClaim(
        stamp=0.0,
        run_id='run',
        sender_id=robot,
        token_id=0,
        phase=ClaimPhase.ACCEPT,
        fence=fence,
        base=base,
    )


def test_a_number_is_promised_once_and_no_lower_one_after_it(acceptor):
    assert not acceptor.refusal(ask(3, 0, 'x'), 0.0)
    acceptor.grant(ask(3, 0, 'x'), 0.0, 1.0)
    assert acceptor.refusal(ask(3, 0, 'y'), 0.0)
    assert acceptor.refusal(take(3, 0, 'y'), 0.0)
    assert acceptor.refusal(ask(2, 0, 'x'), 0.0)
    assert not acceptor.refusal(ask(3, 0, 'x'), 0.0), 'a repeated claim gets the same answer'
    assert not acceptor.refusal(take(3, 0, 'x'), 0.0)


def test_a_higher_promise_voids_a_claim_that_has_not_taken(acceptor):
    acceptor.grant(ask(3, 0, 'x'), 0.0, 1.0)
    acceptor.grant(ask(4, 0, 'y'), 0.0, 1.0)
    assert acceptor.refusal(take(3, 0, 'x'), 0.0)


def test_asking_alone_changes_nothing_about_which_copies_are_of_use(acceptor):
    acceptor.grant(take(5, 2, 'x'), 0.0, 1.0)
    acceptor.grant(ask(9, 5, 'y'), 0.0, 1.0)
    assert acceptor.promises[0].allows(5)
    assert acceptor.promises[0].allows(2)
    assert acceptor.promises[0].fence == 5


def test_the_result_of_a_forgotten_holder_is_refused_for_ever(acceptor):
    acceptor.grant(take(3, 2, 'old'), 0.0, 1.0)
    late = LEASE + 2
    assert not acceptor.refusal(ask(4, 2, 'predecessor'), late), 'the holder is silent'
    acceptor.grant(ask(4, 2, 'predecessor'), late, 1.0)
    acceptor.grant(take(4, 2, 'predecessor'), late, 1.0)
    assert acceptor.refusal(ask(5, 3, 'old'), 100.0), 'what the old holder made'
    assert not acceptor.refusal(ask(5, 4, 'next'), late), 'what the new holder made'
    assert not acceptor.refusal(ask(5, 2, 'other'), 100.0), 'the same copy once more'


def test_nobody_takes_the_place_of_a_holder_that_lives(acceptor):
    acceptor.hold(0, 3, 2, 'x', now=10.0)
    assert acceptor.refusal(ask(4, 2, 'y'), 10.0 + LEASE)
    assert not acceptor.refusal(ask(4, 2, 'y'), 10.1 + LEASE)
    assert not acceptor.refusal(ask(4, 3, 'y'), 10.0), 'handed over'
    assert not acceptor.refusal(ask(4, 2, 'x'), 10.0), 'the holder itself, after a restart'


def test_an_old_holder_does_not_count(acceptor):
    acceptor.grant(take(5, 4, 'x'), 0.0, 1.0)
    assert not acceptor.hold(0, 4, 3, 'old', now=1.0)
    assert acceptor.promises[0].holder == 'x'
    assert acceptor.hold(0, 6, 5, 'new', now=1.0)
    assert acceptor.promises[0] == Promise(5, 'x', 6, 5, 'new')


def test_giving_up_takes_any_copy_after_the_time_set():
    acceptor = Acceptor(1, LEASE, give_up=30.0)
    acceptor.start(0.0)
    acceptor.grant(take(5, 4, 'x'), 0.0, 1.0)
    assert acceptor.refusal(ask(6, 1, 'y'), 29.0)
    assert not acceptor.refusal(ask(6, 1, 'y'), 31.0)
    assert acceptor.useful(0, 1, 31.0)


def test_numbers_heard_of_are_not_used_again(acceptor):
    acceptor.note(0, 41)
    assert acceptor.next_number(0) == 42


def test_a_robot_that_forgot_learns_before_it_votes():
    robots = ('a', 'b', 'c', 'd', 'e')
    memory = Recovery('a', robots, LEASE)
    memory.start(0.0, remembers=False)
    for robot in robots:
        memory.hear(robot, 1.0)
    assert not memory.may_vote(LEASE + 1), 'these may have been sent before its start'
    memory.hear('b', 3.0)
    memory.hear('c', 3.0)
    assert not memory.may_vote(LEASE + 1), 'a majority without these two is possible'
    memory.hear('d', 3.0)
    assert not memory.may_vote(LEASE - 1), 'claims of before its start may be open'
    assert memory.may_vote(LEASE + 1)


def test_a_robot_with_a_record_votes_at_once():
    memory = Recovery('a', ('a', 'b', 'c'), LEASE)
    memory.start(0.0, remembers=True)
    assert memory.may_vote(0.0)


def test_learning_raises_what_is_promised(acceptor):
    acceptor.learn(0, 7, 5, 4)
    assert acceptor.refusal(ask(7, 5), 0.0)
    assert acceptor.refusal(ask(8, 3), 100.0)
    acceptor.learn(0, 2, 1, 0)
    assert acceptor.promises[0].number == 7
