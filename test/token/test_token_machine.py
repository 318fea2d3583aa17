"""One token seen from one robot: what is refused because it is old."""

import dataclasses
import math

import numpy as np
import pytest

from iot_fl_ros.core.effects import StartJob
from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.token import TokenOffer, TokenState, TramState, TramStatus
from iot_fl_ros.exchange.endpoint import Endpoint
from iot_fl_ros.token.acceptor import Acceptor, Promise, Recovery
from iot_fl_ros.token.context import NodeContext, TramRoster
from iot_fl_ros.token.jobs import Visit, Visited
from iot_fl_ros.token.routing import Site
from iot_fl_ros.token.settings import TramNodeSettings
from iot_fl_ros.token.states import Place
from iot_fl_ros.token.token import Log, Token, token_specs, token_tensors
from iot_fl_ros.token.token_machine import TokenMachine

IDS = ('a', 'b', 'c')
LEASE = 5.0
FENCE = 5
TENSORS = token_tensors(np.zeros(4, np.float32), np.zeros(3, np.float32), 32)


@pytest.fixture
def machine():
    """The machine of robot a, which has accepted holder b with fence 5 and base 4."""
    acceptor = Acceptor(1, LEASE, 0.0)
    acceptor.promises = [Promise(FENCE, 'b', FENCE, 4, 'b')]
    recovery = Recovery('a', IDS, LEASE)
    recovery.start(0.0, remembers=True)
    settings = TramNodeSettings.from_flat({'tram.robots': list(IDS), 'run.lease': LEASE})
    endpoint = Endpoint('a')
    endpoint.run_id = 'run'
    context = NodeContext(endpoint, settings, acceptor, TramRoster('a', IDS, LEASE), recovery)
    context.specs = token_specs(4, 3, 32)
    return TokenMachine(Token(0, 4, False, Log((0, 0)), TENSORS), context, 'b')


def offer(fence, sender='b'):
    return TokenOffer(
        stamp=0.0, run_id='run', sender_id=sender, receiver_id='a', token_id=0, fence=fence,
        digest=bytes([fence] * 32), phase=0, visits=1, updates=4, cycle=1, route=('a', 'c'),
        shares=(3, 3), position=0, class_usage=(10, 10),
    )  # fmt: skip


def status(fence, base, state=TokenState.HELD, robot='b'):
    return TramStatus(
        stamp=0.0, run_id='run', robot_id=robot, sequence=1, started=0.0,
        state=TramState.READY, reason='',
        class_counts=(10, 10), token_states=(state,), promised=(fence,), fences=(fence,),
        bases=(base,), batch_seconds=math.nan, link_rate=math.nan, updates=0, loss=math.nan,
        accuracy=math.nan, train_seconds=0.0, bytes_received=0, bytes_sent=0, joules=0.0,
    )  # fmt: skip


def training(machine):
    """Bring the machine to where it trains the token with the fence that it has accepted."""
    machine._places.state = Place.TRAINING
    machine.fence = FENCE
    token = Token(0, FENCE, True, Log((10, 10), visits=1, updates=3), TENSORS)
    return Visited(token, 0.5, math.nan, 1.0, (10, 10))


def test_an_offer_of_the_holder_is_taken(machine):
    assert machine.offered(offer(FENCE), 1.0)
    assert machine.place is Place.RECEIVING


def test_an_offer_of_a_former_holder_is_refused(machine):
    with pytest.raises(MessageError) as refused:
        machine.offered(offer(FENCE - 1), 1.0)
    assert refused.value.reason == 'old offer'
    assert machine.place is Place.ELSEWHERE


def test_while_a_token_comes_an_older_offer_of_it_changes_nothing(machine):
    machine.offered(offer(FENCE + 2, 'c'), 1.0)
    assert machine.offered(offer(FENCE), 1.1) == []
    assert machine._inbox.offer.fence == FENCE + 2
    machine.offered(offer(FENCE + 3), 1.2)
    assert machine._inbox.offer.fence == FENCE + 3


def test_a_holder_keeps_what_it_has_trained(machine):
    visited = training(machine)
    (row,) = machine.visited(visited, 2.0)
    assert (row.row['fence'], row.row['batches']) == (FENCE, 3)
    assert machine.place is Place.SAVING


@pytest.mark.parametrize('state', [TokenState.HELD, TokenState.ELSEWHERE])
def test_a_holder_lets_go_when_another_one_holds_a_newer_fence(machine, state):
    visited = training(machine)
    machine.heard(status(FENCE + 1, FENCE, state), 2.0)
    goes = state == TokenState.HELD
    assert machine.place is (Place.ELSEWHERE if goes else Place.TRAINING)
    assert bool(machine.visited(visited, 3.0)) != goes, 'what it still makes of it is nothing'
    visit = Visit(machine.token, FENCE, 3, False)
    failed = machine.failed(visit, 'late')
    assert not [effect for effect in failed if isinstance(effect, StartJob)]


@pytest.mark.parametrize('place', [Place.WAITING, Place.SAVING, Place.OFFERING])
def test_so_does_one_that_waits_saves_or_offers(machine, place):
    training(machine)
    machine._places.state = place
    machine.heard(status(FENCE + 1, FENCE), 2.0)
    assert machine.place is Place.ELSEWHERE


def test_who_is_gone_is_left_out_no_longer_than_it_takes_to_find_that_out_again(machine):
    """A robot that was started again after a crash had no turn for a minute."""
    training(machine)
    machine._places.state = Place.OFFERING
    log = Log((10, 10), visits=1, updates=3, cycle=1, route=('a', 'c'), shares=(3, 3), position=0)
    token = dataclasses.replace(machine.token, log=log)
    machine._handover.begin(token, FENCE, 'c', 1, 10.0)
    node, gone, back = machine._node, 10.0 + LEASE, 10.1 + 4 * LEASE
    machine.timer('offer', gone)
    node.site = Site((10, 10))
    for sequence, now in enumerate((gone, back), 1):
        for robot_id in 'bc':
            heard = dataclasses.replace(status(FENCE, 4, robot=robot_id), sequence=sequence)
            node.roster.meet(heard, now)
    routes = [machine._itinerary.next_cycle(machine.token.log, now).route for now in (gone, back)]
    assert 'c' not in routes[0]
    assert 'c' in routes[1]


def test_an_older_holder_takes_nothing_away(machine):
    visited = training(machine)
    assert machine.heard(status(FENCE - 1, 2), 2.0) == []
    assert machine.place is Place.TRAINING
    assert machine.visited(visited, 3.0)
