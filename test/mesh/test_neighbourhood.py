"""Neighbours of a peer: who is known."""

import pytest
from message_examples import peer_status as status

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.mesh import PeerState
from iot_fl_ros.mesh import neighbourhood as module
from iot_fl_ros.mesh.neighbourhood import Neighbourhood

LEASE = 3.0


def test_only_the_neighbours_of_the_graph_are_met():
    near = Neighbourhood(LEASE, discovers=False)
    near.set(('c', 'a'))
    assert near.neighbours == ('a', 'c')
    assert near.meet(status('a'), 0.0)
    assert not near.meet(status('b'), 0.0)
    assert list(near.statuses()) == ['a']
    assert near.drop_silent(LEASE + 0.1) == ['a']
    assert near.neighbours == ('a', 'c'), 'it may come back'
    near.meet(status('a', 2.0), LEASE + 0.2)
    near.set(('c',))
    assert list(near.statuses()) == []


def test_whoever_is_heard_is_a_neighbour_until_it_falls_silent(monkeypatch):
    monkeypatch.setattr(module, 'MOST_NEIGHBOURS', 2)
    near = Neighbourhood(LEASE, discovers=True)
    assert near.meet(status('b'), 0.0)
    assert near.meet(status('a'), 2.0)
    assert near.neighbours == ('a', 'b')
    with pytest.raises(MessageError) as refused:
        near.meet(status('c'), 2.0)
    assert refused.value.reason == 'too many'
    assert near.drop_silent(LEASE + 0.1) == ['b']
    assert near.neighbours == ('a',)


@pytest.mark.parametrize('state', [PeerState.REFUSED, PeerState.LEAVING])
@pytest.mark.parametrize('discovers', [True, False])
def test_who_says_goodbye_is_gone_at_once(state, discovers):
    near = Neighbourhood(LEASE, discovers=discovers)
    near.set(('a',))
    near.meet(status('a'), 0.0)
    assert not near.meet(status('a', 2.0, state), 0.1)
    assert near.get('a') is None
    assert near.neighbours == (() if discovers else ('a',))


def test_the_degree_of_who_was_not_heard_is_taken_for_ones_own():
    near = Neighbourhood(LEASE, discovers=False)
    near.set(('a', 'b'))
    near.meet(status('a', neighbours=('b', 'c', 'd')), 0.0)
    assert near.degrees(own=2) == {'a': 3, 'b': 2}
