"""Claims of one robot: nobody hears of one before its own promise is on disk."""

import dataclasses

import pytest

from iot_fl_ros.core.effects import Publish
from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.token import ClaimPhase, TokenClaim, TokenVote
from iot_fl_ros.token.acceptor import Acceptor, Promise
from iot_fl_ros.token.context import Context
from iot_fl_ros.token.proposer import Proposer
from iot_fl_ros.token.recovery import Recovery
from iot_fl_ros.token.roster import TramRoster
from iot_fl_ros.token.settings import TramNodeSettings

IDS = ('a', 'b', 'c', 'd', 'e')
LEASE = 5.0


@pytest.fixture
def proposer():
    promises = Acceptor(1, LEASE, 0.0)
    acceptor.promises = [Promise(5, 'b', 5, 4, 'b')]
    recovery = Recovery('a', IDS, LEASE)
    recovery.start(0.0, remembers=True)
    settings = TramNodeSettings.from_flat({'tram.robots': list(IDS), 'run.lease': LEASE})
    roster = TramRoster('a', IDS, LEASE)
    return Proposer(0, Context('a', settings, promises, roster, recovery, 'run'))


def claims(effects):
    return [e.message for e in effects if isinstance(e, Publish)]


def vote(claim, robot, granted=1):
    return TokenVote(1.0, 'run', robot, 'a', 0, claim.phase, claim.fence, granted, claim.fence)


def job(effects):
    return next(effect.job for effect in effects if hasattr(effect, 'job'))


def test_a_claim_goes_out_when_its_own_promise_is_on_disk(proposer):
    effects = proposer.stand(5, 100.0)
    claim = job(effects).after
    assert not claims(effects)
    assert not claims(proposer.repeat(100.3)), 'a timer that was left over'
    for robot in 'bcd':
        proposer.voted(vote(claim, robot), 100.4)
    assert proposer.won is None
    assert proposer.number == 6
    taken = proposer.promised(claim, 100.5)
    assert job(taken).after.phase == ClaimPhase.ACCEPT, 'the votes were kept'


def test_asked_taken_won(proposer):
    ask = job(proposer.stand(5, 100.0)).after
    assert claims(proposer.promised(ask, 100.0)) == [ask]
    effects = proposer.voted(vote(ask, 'b'), 100.1)
    assert not effects
    take = job(proposer.voted(vote(ask, 'c'), 100.1)).after
    assert take == dataclasses.replace(ask, phase=ClaimPhase.ACCEPT)
    assert claims(proposer.promised(take, 100.2)) == [take]
    proposer.voted(vote(ask, 'd'), 100.3)
    proposer.voted(vote(take, 'b'), 100.3)
    assert proposer.won is None, 'votes of the first phase do not count in the second'
    proposer.voted(vote(take, 'd'), 100.3)
    assert proposer.won == take


def test_refused_by_half_it_gives_way(proposer):
    ask = job(proposer.stand(5, 100.0)).after
    proposer.promised(ask, 100.0)
    for robot in 'bcd':
        proposer.voted(vote(ask, robot, 0), 100.1)
    assert proposer.lost
    assert not proposer.calm(100.2)
    assert proposer.calm(110.0)


def test_a_claim_that_nobody_answers_is_given_up(proposer):
    ask = job(proposer.stand(5, 100.0)).after
    proposer.promised(ask, 100.0)
    assert claims(proposer.repeat(100.5)) == [ask]
    proposer.repeat(100.0 + LEASE)
    assert proposer.lost


def test_absurd_numbers_are_refused(proposer):
    ask = job(proposer.stand(5, 100.0)).after
    with pytest.raises(MessageError, match='far ahead'):
        proposer.voted(dataclasses.replace(vote(ask, 'b'), promised=1 << 60), 100.1)
    with pytest.raises(MessageError, match='fencing number'):
        TokenClaim(1.0, 'run', 'b', 0, 0, (1 << 64) - 1, 0)
    with pytest.raises(MessageError, match='not of the fleet'):
        proposer.voted(vote(ask, 'stranger'), 100.1)
