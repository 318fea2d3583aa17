"""Claims of one robot: nobody hears of one before its own promise is on disk."""

import dataclasses

import pytest

from iot_fl_ros.core.effects import Publish
from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.token import ClaimPhase, TokenClaim, TokenVote
from iot_fl_ros.exchange.endpoint import Endpoint
from iot_fl_ros.token.acceptor import Acceptor, Promise, Recovery
from iot_fl_ros.token.context import NodeContext, TramRoster
from iot_fl_ros.token.proposer import Proposer
from iot_fl_ros.token.settings import TramNodeSettings

IDS = ('a', 'b', 'c', 'd', 'e')
LEASE = 5.0


@pytest.fixture
def proposer():
    acceptor = Acceptor(1, LEASE, 0.0)
    acceptor.promises = [Promise(5, 'b', 5, 4, 'b')]
    recovery = Recovery('a', IDS, LEASE)
    recovery.start(0.0, remembers=True)
    settings = TramNodeSettings.from_flat({'tram.robots': list(IDS), 'run.lease': LEASE})
    endpoint = Endpoint('a')
    endpoint.run_id = 'run'
    roster = TramRoster('a', IDS, LEASE)
    return Proposer(0, NodeContext(endpoint, settings, acceptor, roster, recovery))


def claims(step):
    return [e.message for e in step.effects if isinstance(e, Publish)]


def vote(claim, robot, granted=1):
    return TokenVote(
        stamp=1.0,
        run_id='run',
        sender_id=robot,
        candidate_id='a',
        token_id=0,
        phase=claim.phase,
        fence=claim.fence,
        granted=granted,
        promised=claim.fence,
    )


def job(step):
    return next(effect.job for effect in step.effects if hasattr(effect, 'job'))


def test_a_claim_goes_out_when_its_own_promise_is_on_disk(proposer):
    step = proposer.stand(5, 100.0)
    claim = job(step).claim
    assert not claims(step)
    assert not claims(proposer.repeat(100.3)), 'a timer that was left over'
    for robot in 'bcd':
        assert not proposer.voted(vote(claim, robot), 100.4).won
    assert proposer.number == 6
    taken = proposer.promised(claim, 100.5)
    assert job(taken).claim.phase == ClaimPhase.ACCEPT, 'the votes were kept'


def test_asked_taken_won(proposer):
    ask = job(proposer.stand(5, 100.0)).claim
    assert claims(proposer.promised(ask, 100.0)) == [ask]
    assert not proposer.voted(vote(ask, 'b'), 100.1).effects
    take = job(proposer.voted(vote(ask, 'c'), 100.1)).claim
    assert take == dataclasses.replace(ask, phase=ClaimPhase.ACCEPT)
    assert claims(proposer.promised(take, 100.2)) == [take]
    assert not proposer.voted(vote(ask, 'd'), 100.3).won
    early = proposer.voted(vote(take, 'b'), 100.3)
    assert not early.won, 'votes of the first phase do not count in the second'
    assert proposer.voted(vote(take, 'd'), 100.3).won == take


def test_refused_by_half_it_gives_way(proposer):
    ask = job(proposer.stand(5, 100.0)).claim
    proposer.promised(ask, 100.0)
    steps = [proposer.voted(vote(ask, robot, 0), 100.1) for robot in 'bcd']
    assert [step.lost for step in steps] == [False, False, True]
    assert not proposer.calm(100.2)
    assert proposer.calm(110.0)


def test_a_claim_that_nobody_answers_is_given_up(proposer):
    ask = job(proposer.stand(5, 100.0)).claim
    proposer.promised(ask, 100.0)
    assert claims(proposer.repeat(100.5)) == [ask]
    assert proposer.repeat(100.0 + LEASE).lost


def test_absurd_numbers_are_refused(proposer):
    ask = job(proposer.stand(5, 100.0)).claim
    with pytest.raises(MessageError, match='far ahead'):
        proposer.voted(dataclasses.replace(vote(ask, 'b'), promised=1 << 60), 100.1)
    with pytest.raises(MessageError, match='fencing number'):
        TokenClaim(
            stamp=1.0,
            run_id='run',
            sender_id='b',
            token_id=0,
            phase=0,
            fence=(1 << 64) - 1,
            base=0,
        )
    with pytest.raises(MessageError, match='not of the fleet'):
        proposer.voted(vote(ask, 'stranger'), 100.1)
