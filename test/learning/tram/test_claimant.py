"""Claims of one robot: nobody hears of one before its own promise is on disk."""

import dataclasses

import pytest

from iot_fl_ros.core.effects import Publish
from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.tram_messages import ClaimPhase, TokenClaim, TokenVote
from iot_fl_ros.learning.tram.claimant import Claimant
from iot_fl_ros.learning.tram.context import Context
from iot_fl_ros.learning.tram.promises import Promise, Promises
from iot_fl_ros.learning.tram.recollection import Recollection
from iot_fl_ros.learning.tram.roster import TramRoster
from iot_fl_ros.learning.tram.settings import TramNodeSettings

IDS = ('a', 'b', 'c', 'd', 'e')
LEASE = 5.0


@pytest.fixture
def claimant():
    promises = Promises(1, LEASE, 0.0)
    promises.made = [Promise(5, 'b', 5, 4, 'b')]
    recollection = Recollection('a', IDS, LEASE)
    recollection.start(0.0, remembers=True)
    settings = TramNodeSettings.from_flat({'tram.robots': list(IDS), 'run.lease': LEASE})
    roster = TramRoster('a', IDS, LEASE)
    return Claimant(0, Context('a', settings, promises, roster, recollection, 'run'))


def claims(effects):
    return [e.message for e in effects if isinstance(e, Publish)]


def vote(claim, robot, granted=1):
    return TokenVote(1.0, 'run', robot, 'a', 0, claim.phase, claim.fence, granted, claim.fence)


def job(effects):
    return next(effect.job for effect in effects if hasattr(effect, 'job'))


def test_a_claim_goes_out_when_its_own_promise_is_on_disk(claimant):
    effects = claimant.stand(5, 100.0)
    claim = job(effects).after
    assert not claims(effects)
    assert not claims(claimant.repeat(100.3)), 'a timer that was left over'
    for robot in 'bcd':
        claimant.voted(vote(claim, robot), 100.4)
    assert claimant.won is None
    assert claimant.number == 6
    taken = claimant.promised(claim, 100.5)
    assert job(taken).after.phase == ClaimPhase.TAKE, 'the votes were kept'


def test_asked_taken_won(claimant):
    ask = job(claimant.stand(5, 100.0)).after
    assert claims(claimant.promised(ask, 100.0)) == [ask]
    effects = claimant.voted(vote(ask, 'b'), 100.1)
    assert not effects
    take = job(claimant.voted(vote(ask, 'c'), 100.1)).after
    assert take == dataclasses.replace(ask, phase=ClaimPhase.TAKE)
    assert claims(claimant.promised(take, 100.2)) == [take]
    claimant.voted(vote(ask, 'd'), 100.3)
    claimant.voted(vote(take, 'b'), 100.3)
    assert claimant.won is None, 'votes of the first phase do not count in the second'
    claimant.voted(vote(take, 'd'), 100.3)
    assert claimant.won == take


def test_refused_by_half_it_gives_way(claimant):
    ask = job(claimant.stand(5, 100.0)).after
    claimant.promised(ask, 100.0)
    for robot in 'bcd':
        claimant.voted(vote(ask, robot, 0), 100.1)
    assert claimant.lost
    assert not claimant.calm(100.2)
    assert claimant.calm(110.0)


def test_a_claim_that_nobody_answers_is_given_up(claimant):
    ask = job(claimant.stand(5, 100.0)).after
    claimant.promised(ask, 100.0)
    assert claims(claimant.repeat(100.5)) == [ask]
    claimant.repeat(100.0 + LEASE)
    assert claimant.lost


def test_absurd_numbers_are_refused(claimant):
    ask = job(claimant.stand(5, 100.0)).after
    with pytest.raises(MessageError, match='far ahead'):
        claimant.voted(dataclasses.replace(vote(ask, 'b'), promised=1 << 60), 100.1)
    with pytest.raises(MessageError, match='fencing number'):
        TokenClaim(1.0, 'run', 'b', 0, 0, (1 << 64) - 1, 0)
    with pytest.raises(MessageError, match='not of the fleet'):
        claimant.voted(vote(ask, 'stranger'), 100.1)
