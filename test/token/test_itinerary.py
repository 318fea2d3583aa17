"""The way of a token at its holder: stops, plans, hand-overs, and tokens without a holder."""

import dataclasses
import math

import numpy as np
import pytest

from iot_fl_ros.core.effects import Publish
from iot_fl_ros.core.messages.chunks import ChunkRequest
from iot_fl_ros.core.messages.token import (
    TokenChunk,
    TokenOffer,
    TokenPhase,
    TokenState,
    TramState,
    TramStatus,
)
from iot_fl_ros.exchange.endpoint import Endpoint
from iot_fl_ros.token.acceptor import Acceptor, Promise, Recovery
from iot_fl_ros.token.context import NodeContext, TramRoster
from iot_fl_ros.token.handover import Handover
from iot_fl_ros.token.itinerary import Itinerary
from iot_fl_ros.token.proposer import Takeover
from iot_fl_ros.token.routing import Site
from iot_fl_ros.token.settings import TramNodeSettings
from iot_fl_ros.token.token import Log, Token, token_specs, token_tensors

IDS = ('a', 'b', 'c', 'd')
LEASE, TIMEOUT = 4.0, 3.0
LOG = Log((0, 0), route=('c', 'a', 'b', 'd'), shares=(1, 2, 3, 4), position=1)


def status(robot_id, stamp=1.0, held=0, **changes):
    plain = TramStatus(
        stamp=stamp, run_id='run', robot_id=robot_id, sequence=1, started=0.0,
        state=TramState.READY,
        reason='', class_counts=(10, 10), promised=(held,), fences=(held,), bases=(0,),
        token_states=(TokenState.HELD if held else TokenState.ELSEWHERE,),
        batch_seconds=math.nan, link_rate=math.nan, updates=0, loss=math.nan, accuracy=math.nan,
        train_seconds=0.0, bytes_received=0, bytes_sent=0, joules=0.0,
    )  # fmt: skip
    return dataclasses.replace(plain, **changes)


@pytest.fixture
def context():
    """Robot a, which has heard b and d."""
    acceptor = Acceptor(1, LEASE, 0.0)
    acceptor.start(0.0)
    recovery = Recovery('a', IDS, LEASE)
    recovery.start(0.0, remembers=True)
    settings = TramNodeSettings.from_flat({
        'tram.robots': list(IDS), 'run.lease': LEASE, 'run.updates': 100, 'run.target': 0.9,
        'run.test_every': 20, 'run.start_timeout': 30.0, 'tram.offer_timeout': TIMEOUT,
    })  # fmt: skip
    endpoint = Endpoint('a')
    endpoint.run_id = 'run'
    made = NodeContext(endpoint, settings, acceptor, TramRoster('a', IDS, LEASE), recovery)
    made.specs = token_specs(4, 3, 32)
    made.site = Site((10, 10))
    for robot_id in ('b', 'd'):
        made.roster.meet(status(robot_id), 10.0)
    return made


def test_the_next_stop_is_the_next_robot_of_the_route_that_is_there(context):
    itinerary = Itinerary(context)
    assert itinerary.next_stop(LOG, -1, 10.0) == ('b', 2), 'c was not heard, a is this robot'
    assert itinerary.next_stop(LOG, 2, 10.0) == ('d', 3)
    assert itinerary.next_stop(LOG, 3, 10.0) == ('', -1)
    assert itinerary.next_stop(LOG, -1, 10.1 + LEASE) == ('', -1), 'all have fallen silent'


@pytest.mark.parametrize(
    ('seconds', 'cost'), [(1.0, 1.0), (TIMEOUT, TIMEOUT), (30_000.0, TIMEOUT)],
    ids=['gone', 'late', 'the clock was set'],
)  # fmt: skip
def test_who_did_not_take_the_token_is_left_out_of_plans_for_a_while(context, seconds, cost):
    itinerary = Itinerary(context)
    itinerary.avoid('b', seconds, 10.0)
    plan = itinerary.next_cycle(LOG, 10.0)
    assert plan.cycle == 1
    assert set(plan.route) <= {'a', 'd'}
    assert plan.position == (0 if plan.route[0] == 'a' else -1)
    later = 10.1 + LEASE + 2 * cost
    for robot_id in ('b', 'd'):
        context.roster.meet(status(robot_id, 2.0), later)
    sites = [set(itinerary.next_cycle(LOG, when).route) for when in (later - 0.2, later)]
    assert 'b' not in sites[0]
    assert 'b' in sites[1]


def test_the_last_tour_goes_to_all_who_are_there(context):
    tour = Itinerary(context).delivery(LOG, 10.0)
    assert (tour.phase, tour.route, tour.shares) == (
        TokenPhase.DELIVERING, ('a', 'b', 'd'), (0, 0, 0)
    )  # fmt: skip
    assert tour.position == 0


@pytest.mark.parametrize(
    ('updates', 'accuracy', 'over'),
    [(99, 0.89, False), (100, math.nan, True), (5, 0.9, True), (5, math.nan, False)],
)
def test_a_token_is_trained_enough_by_mini_batches_or_by_its_accuracy(
    context, updates, accuracy, over
):
    itinerary = Itinerary(context)
    log = dataclasses.replace(LOG, updates=updates)
    assert itinerary.trained_enough(log, accuracy) == over
    delivering = dataclasses.replace(log, phase=TokenPhase.DELIVERING)
    assert not itinerary.trained_enough(delivering, accuracy)


def test_mini_batches_and_tests_of_this_stop(context):
    itinerary = Itinerary(context)
    assert itinerary.batches_here(LOG) == 2
    assert itinerary.batches_here(dataclasses.replace(LOG, position=2)) == 0, 'not its turn'
    assert itinerary.batches_here(dataclasses.replace(LOG, position=-1)) == 0
    at = {n: dataclasses.replace(LOG, updates=n) for n in (0, 17, 97)}
    assert not itinerary.tests(at[0], 19)
    assert itinerary.tests(at[17], 3)
    assert itinerary.tests(at[97], 3), 'the last'
    assert not itinerary.tests(at[97], 2)


# --- handing over -------------------------------------------------------------------------------


@pytest.fixture
def offered(context):
    """A hand-over to b that began at 10 s, and its first messages."""
    handover = Handover(context)
    tensors = token_tensors(np.zeros(4, np.float32), np.zeros(3, np.float32), 32)
    effects = handover.begin(Token(0, 5, True, LOG, tensors), 5, 'b', 2, 10.0)
    return handover, [effect.message for effect in effects if isinstance(effect, Publish)]


def test_an_offer_goes_out_with_all_pieces(offered):
    handover, (offer, *chunks) = offered
    assert isinstance(offer, TokenOffer)
    assert (offer.receiver_id, offer.fence, offer.position) == ('b', 5, 2)
    assert [type(chunk) for chunk in chunks] == [TokenChunk]
    (again, _) = handover.repeat(11.0)
    assert again.message == dataclasses.replace(offer, stamp=11.0)


def test_pieces_are_sent_again_to_the_receiver_alone(offered):
    handover, (offer, *_) = offered
    for sender, digest, answered in (
        ('b', offer.digest, True), ('d', offer.digest, False), ('b', bytes(32), False)
    ):  # fmt: skip
        request = ChunkRequest(
            stamp=1.0, run_id='run', sender_id=sender, receiver_id='a', digest=digest, missing=()
        )
        sent = handover.asked(request, 11.0)
        assert bool(sent) == answered
        assert all(effect.to == 'b' for effect in sent)


def test_a_receiver_that_is_gone_or_takes_too_long_is_given_up(offered, context):
    handover, _ = offered
    assert not handover.refused(10.0 + TIMEOUT)
    assert handover.refused(10.1 + TIMEOUT)
    context.roster.forget('b')
    assert handover.refused(10.5)


def test_the_time_of_a_hand_over_is_the_rate_of_the_link(offered, context):
    handover, _ = offered
    handover.taken('d', 12.0)
    assert math.isnan(context.site.link_rate)
    handover.taken('b', 12.0)
    assert context.site.link_rate == context.token_bytes / 2.0


# --- a token without a holder -------------------------------------------------------------------


def test_the_starter_begins_when_all_are_there(context):
    takeover = Takeover(0, context, 'a')
    assert not takeover.may_claim(0, 10.0), 'c is missing'
    context.roster.meet(status('c'), 11.0)
    assert takeover.may_claim(0, 11.0)


def test_if_the_starter_does_not_come_others_begin_one_by_one(context):
    takeover = Takeover(0, context, 'd')  # a is the next after d

    def may(now):
        for robot_id in ('b', 'd'):
            context.roster.meet(status(robot_id, now), now)
        return takeover.may_claim(0, now)

    assert not may(10.0)
    assert not may(10.0 + 30.0 + LEASE - 0.1)
    assert may(10.0 + 30.0 + LEASE)


def test_a_token_that_somebody_holds_is_not_claimed(context):
    takeover = Takeover(0, context, 'b')
    context.acceptor.promises = [Promise(5, 'b', 5, 4, 'b')]
    context.roster.meet(status('b', 2.0, held=5), 10.5)
    assert not takeover.may_claim(5, 10.5)
    context.roster.meet(status('b', 3.0), 10.6)
    assert takeover.may_claim(5, 10.6), 'the lease of its holder is over'
    assert not takeover.may_claim(3, 10.6), 'an older copy does not continue it'
    context.acceptor.hold(0, 5, 4, 'b', 10.6)
    assert not takeover.may_claim(5, 10.7), 'its holder was just heard of'


def test_without_most_robots_nothing_is_claimed(context):
    takeover = Takeover(0, context, 'a')
    context.acceptor.promises = [Promise(5, 'b', 5, 4, 'b')]
    context.roster.forget('d')
    assert not takeover.may_claim(5, 10.5), 'two of four are no majority'
