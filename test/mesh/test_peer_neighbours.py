"""The peer machine alone: whom it hears and for whom it waits."""

import pytest
from peer_driver import Peer, job_of, of

from iot_fl_ros.core.effects import (
    PreparePublisher,
    Record,
    Subscribe,
    Warn,
)
from iot_fl_ros.core.events import (
    GraphChanged,
    TimerFired,
)
from iot_fl_ros.core.messages.mesh import PeerChunk, PeerState
from iot_fl_ros.mesh.graph import Links
from iot_fl_ros.mesh.jobs import TrainPeer


def test_it_starts_when_all_neighbours_are_heard_and_hears_them_alone():
    peer = Peer()
    effects = peer.prepare()
    assert of(Subscribe, effects) == [Subscribe(PeerChunk, ('a', 'c'))]
    assert of(PreparePublisher, effects) == [PreparePublisher(PeerChunk, ('b',))], (
        'a topic of its own'
    )
    assert job_of(peer.hear('a')) is None
    assert job_of(peer.hear('x')) is None, 'no neighbour'
    assert job_of(peer.hear('c')) == TrainPeer(1)


def test_it_starts_without_those_who_do_not_come():
    peer = Peer()
    peer.prepare()
    peer.hear('a')
    assert job_of(peer.tell(TimerFired('start'))) == TrainPeer(1)


def test_who_is_late_is_left_out_and_weights_are_shared_out():
    peer = Peer()
    peer.begin()
    peer.train(1)
    peer.hear('a', 1, 3)
    peer.receive('a', 1, 3)
    job = job_of(peer.tell(TimerFired('deadline')))
    assert sorted(job.weights) == ['a', 'b']
    assert sum(job.weights.values()) == pytest.approx(1)
    row = of(Record, peer.mix(1))[0].row
    assert row['late'] == ['c']
    assert row['participants'] == ['a', 'b']


def test_who_is_silent_is_not_waited_for_and_is_in_again_when_it_comes_back():
    peer = Peer()
    peer.begin()
    peer.now += 10.0
    peer.hear('a', 1, 3)
    peer.tell(TimerFired('heartbeat'))
    peer.receive('a', 1, 3)
    job = job_of(peer.train(1))
    assert sorted(job.weights) == ['a', 'b']
    row = of(Record, peer.mix(1))[0].row
    assert row['silent'] == ['c']
    peer.hear('c', 2, 4)
    peer.hear('a', 2, 4)
    peer.receive('a', 2, 4)
    assert job_of(peer.train(2)) is None, 'c is there again'
    assert sorted(job_of(peer.receive('c', 2, 4)).weights) == ['a', 'b', 'c']


def test_who_went_on_without_this_peer_is_not_waited_for():
    peer = Peer()
    peer.begin()
    peer.hear('a', 3, 3)
    peer.hear('c', 3, 3)
    assert job_of(peer.train(1)) is not None
    assert job_of(peer.mix(1)) == TrainPeer(3), 'and then it catches up'


def test_another_run_of_the_same_name_is_refused_by_name():
    peer = Peer()
    peer.prepare()
    warnings = of(Warn, peer.hear('a', run_id='r-2'))
    assert "a is in run 'r-2', b in 'r-1'" in warnings[0].text
    assert peer.machine.endpoint.refusals['a', 'peer_status: foreign run'] == 1
    assert of(Warn, peer.hear('a', run_id='other-1')) == [], 'another mesh is left alone'
    assert peer.machine.near.statuses() == {}


def test_the_graph_changes_between_two_rounds():
    peer = Peer()
    peer.begin()
    peer.train(1)
    for name in ('a', 'c'):
        peer.hear(name, 1, 3)
        peer.receive(name, 1, 3)
    effects = peer.mix(1, Links(('a', 'd')))
    assert of(Subscribe, effects) == [Subscribe(PeerChunk, ('a', 'd'))]
    peer.hear('d', 2, 4)
    peer.receive('d', 2, 4)
    peer.hear('a', 2, 4)
    peer.receive('a', 2, 4)
    assert sorted(job_of(peer.train(2)).weights) == ['a', 'b', 'd']


def test_the_graph_changes_in_the_middle_of_a_round():
    peer = Peer()
    peer.begin()
    peer.train(1)
    peer.hear('a', 1, 3)
    peer.receive('a', 1, 3)
    job = job_of(peer.tell(GraphChanged(('a',))))
    assert sorted(job.weights) == ['a', 'b']


def test_discovery_takes_whoever_is_heard():
    peer = Peer(neighbours=(), graph='discovery')
    peer.prepare()
    assert of(Subscribe, peer.hear('x')) == [Subscribe(PeerChunk, ('x',))]
    assert of(Subscribe, peer.hear('d')) == [Subscribe(PeerChunk, ('d', 'x'))]
    assert of(Subscribe, peer.hear('x', state=PeerState.LEAVING)) == [Subscribe(PeerChunk, ('d',))]
    assert job_of(peer.tell(TimerFired('start'))) == TrainPeer(1)
    peer.now += 10.0
    assert of(Subscribe, peer.tell(TimerFired('heartbeat'))) == [Subscribe(PeerChunk, ())]


def test_discovery_starts_when_as_many_as_are_named_are_heard():
    peer = Peer(neighbours=(), graph='discovery', count=3)
    peer.prepare()
    assert job_of(peer.hear('x')) is None
    assert job_of(peer.hear('y')) == TrainPeer(1)


def test_it_does_not_count_what_it_hears_of_itself():
    peer = Peer()
    peer.begin()
    before = peer.machine.endpoint.bytes_received
    peer.hear('b', neighbours=('a', 'c'))
    assert peer.machine.endpoint.bytes_received == before


def test_somebody_else_of_the_same_name_is_noticed():
    peer = Peer()
    peer.begin()
    assert peer.hear('b', neighbours=('a',)) == []
    warnings = of(Warn, peer.hear('b', neighbours=('a',), sequence=10_000))
    assert 'give every robot an id of its own' in warnings[0].text
