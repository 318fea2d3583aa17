"""The peer machine alone: rounds, pieces, checkpoints and the end."""

import dataclasses
import math

import pytest
from peer_driver import RUN, Peer, chunk, job_of, of, parcel, update

from iot_fl_ros.core.effects import (
    Publish,
    Record,
    RunEnded,
    Warn,
)
from iot_fl_ros.core.events import (
    JobDone,
    JobFailed,
    Leave,
    MessageArrived,
    TimerFired,
)
from iot_fl_ros.core.messages.chunks import ChunkRequest
from iot_fl_ros.core.messages.mesh import PeerChunk, PeerState, PeerStatus
from iot_fl_ros.mesh.jobs import PeerTrained, PreparePeer, TrainPeer
from iot_fl_ros.training.energy import EnergySettings


def test_a_round_mixes_the_updates_of_all_neighbours():
    peer = Peer()
    peer.begin()
    sent = of(Publish, peer.train(1))
    assert [type(effect.message) for effect in sent] == [PeerStatus, PeerChunk]
    assert sent[1].to == 'b'
    assert sent[0].message.update_digest == sent[1].message.digest
    peer.hear('a', 1, 3)
    assert job_of(peer.receive('a', 1, 3)) is None
    peer.receive('c', 1, 4)
    job = job_of(peer.hear('c', 1, 4))
    assert {i: int(t['mark'][0]) for i, t in job.received.items()} == {'a': 3, 'c': 4}
    assert job.own['mark'] == 7
    assert job.weights == pytest.approx({'a': 1 / 3, 'b': 1 / 3, 'c': 1 / 3})
    assert job_of(peer.mix(1)) == TrainPeer(2)


@pytest.mark.parametrize('loss', [math.inf, -math.inf])
def test_an_infinite_loss_is_sent_as_unknown(loss):
    peer = Peer()
    peer.begin()
    effects = peer.tell(JobDone(TrainPeer(1), PeerTrained(update(7), loss)))
    assert [warning.key for warning in of(Warn, effects)] == ['loss']
    assert math.isnan(of(Publish, effects)[0].message.loss)


def test_an_update_of_the_next_round_may_come_early():
    peer = Peer()
    peer.begin()
    peer.hear('a', 1, 3)
    peer.receive('a', 1, 3)
    peer.hear('a', 2, 5)
    peer.receive('a', 2, 5)
    peer.hear('c', 1, 4)
    peer.receive('c', 1, 4)
    job = job_of(peer.train(1))
    assert job.received['a']['mark'] == 3, 'that of round 1'
    peer.mix(1)
    peer.hear('c', 2, 6)
    peer.receive('c', 2, 6)
    assert job_of(peer.train(2)).received['a']['mark'] == 5


def test_missing_pieces_are_asked_for_and_given():
    peer = Peer()
    peer.begin()
    peer.train(1)
    peer.hear('a', 1, 3)
    peer.now += 1.0
    requests = [e.message for e in of(Publish, peer.tell(TimerFired('repair')))]
    assert [(r.receiver_id, r.digest) for r in requests] == [('a', parcel(1, 3).digest)]
    own = parcel(1, 7).digest
    wanted = ChunkRequest(
        stamp=0.0, run_id=RUN, sender_id='a', receiver_id='b', digest=own, missing=(0,)
    )
    again = of(Publish, peer.tell(MessageArrived(wanted, 50)))
    assert [(type(e.message), e.to) for e in again] == [(PeerChunk, 'b')]
    unknown = ChunkRequest(
        stamp=0.0, run_id=RUN, sender_id='a', receiver_id='b', digest=bytes(32), missing=(0,)
    )
    assert of(Warn, peer.tell(MessageArrived(unknown, 50)))
    other = ChunkRequest(
        stamp=0.0, run_id=RUN, sender_id='a', receiver_id='c', digest=own, missing=(0,)
    )
    assert peer.tell(MessageArrived(other, 50)) == []


def test_a_peer_whose_training_failed_says_so_and_learns_from_the_others():
    peer = Peer()
    peer.begin()
    status = of(Publish, peer.tell(JobFailed(TrainPeer(1), 'no memory')))[0].message
    assert (status.round, status.update_digest) == (1, b'')
    peer.hear('a', 1, 3)
    peer.receive('a', 1, 3)
    refused = peer.hear('c', 1, 0, update_digest=b'')
    job = job_of(refused)
    assert job.own == {}
    assert sorted(job.weights) == ['a', 'b']


def test_after_the_last_round_it_answers_until_all_have_finished():
    peer = Peer()
    peer.prepare({'run_id': RUN, 'round': 3}, update(9))
    for name in ('a', 'c'):
        peer.hear(name, 4, 3)
        peer.receive(name, 4, 3)
    assert peer.machine.round == 4
    peer.train(4)
    assert not of(RunEnded, peer.mix(4))
    wanted = ChunkRequest(
        stamp=0.0,
        run_id=RUN,
        sender_id='a',
        receiver_id='b',
        digest=parcel(4, 7).digest,
        missing=(0,),
    )
    assert of(Publish, peer.tell(MessageArrived(wanted, 50)))
    peer.hear('a', 4, 3, state=PeerState.FINISHED)
    effects = peer.hear('c', 4, 3, state=PeerState.FINISHED)
    assert of(RunEnded, effects)
    assert not of(RunEnded, peer.tell(TimerFired('farewell'))), 'once'


def test_the_end_does_not_wait_forever():
    peer = Peer()
    peer.prepare({'run_id': RUN, 'round': 4}, update(9))
    peer.hear('a', 3, 3)
    assert of(RunEnded, peer.tell(TimerFired('farewell')))


def test_a_checkpoint_goes_on_and_its_update_can_be_asked_for():
    peer = Peer()
    peer.prepare({'run_id': RUN, 'round': 2}, update(9))
    wanted = ChunkRequest(
        stamp=0.0,
        run_id=RUN,
        sender_id='a',
        receiver_id='b',
        digest=parcel(2, 9).digest,
        missing=(),
    )
    assert of(Publish, peer.tell(MessageArrived(wanted, 50)))
    peer.hear('a', 2, 3)
    assert job_of(peer.hear('c', 2, 3)) == TrainPeer(3)


def test_a_peer_that_cannot_prepare_says_why():
    peer = Peer()
    peer.machine.start(0.0)
    effects = peer.tell(JobFailed(PreparePeer(), 'ConfigError: no such graph'))
    status = of(Publish, effects)[0].message
    assert (status.state, status.reason) == (PeerState.REFUSED, 'ConfigError: no such graph')
    assert job_of(peer.hear('a')) is None


def test_hostile_messages_cost_a_counter_and_nothing_else():
    peer = Peer()
    peer.begin()
    peer.train(1)
    assert of(Warn, peer.hear('a', round=5, mark=1)), 'the run has four rounds'
    assert of(Warn, peer.receive('a', 1, 3, run_id='r-9'))
    assert of(Warn, peer.receive('x', 1, 3)), 'no neighbour'
    forged = chunk('a', 1, 3)
    peer.tell(MessageArrived(dataclasses.replace(forged, digest=bytes(32)), 50))
    peer.hear('a', 1, 3)
    peer.receive('a', 1, 3)
    assert sum(peer.machine.endpoint.refusals.values()) == 3
    peer.hear('c', 1, 4)
    assert job_of(peer.receive('c', 1, 4)).received['a']['mark'] == 3


def test_training_and_mixing_cost_energy():
    peer = Peer(neighbours=())
    peer.prepare()
    watts = EnergySettings()
    before = of(Publish, peer.tell(TimerFired('heartbeat'), 0.0))[0].message.joules
    peer.now += 3.0
    peer.train(1)
    peer.now += 5.0
    row = of(Record, peer.mix(1))[0].row
    assert row['joules_active'] == pytest.approx(8.0 * watts.compute_watts, rel=0.02)
    idle = row['joules'] - row['joules_active'] - before
    assert idle == pytest.approx(8.0 * watts.idle_watts, rel=0.02)


def test_it_says_goodbye():
    peer = Peer()
    peer.begin()
    assert of(Publish, peer.tell(Leave()))[0].message.state == PeerState.LEAVING


def test_a_peer_that_is_started_again_after_its_last_round_has_not_failed():
    peer = Peer()
    peer.prepare({'run_id': RUN, 'round': 4}, update(9))
    for name in ('a', 'c'):
        peer.hear(name, 4, 3)
        effects = peer.hear(name, 4, 3, state=PeerState.FINISHED)
    (ended,) = of(RunEnded, effects)
    assert not ended.problem


def test_a_peer_that_never_trained_says_why():
    peer = Peer(neighbours=())
    peer.prepare()
    ended = []
    for round in range(1, 5):
        effects = peer.tell(JobFailed(TrainPeer(round), 'no memory'))
        if job_of(effects):
            effects += peer.mix(round)
        ended += of(RunEnded, effects)
    (end,) = ended or of(RunEnded, peer.tell(TimerFired('farewell')))
    assert end.problem == 'b never trained: training failed: no memory'
