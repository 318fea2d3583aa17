"""The peer machine alone: hand-made events in, effects out."""

import dataclasses
import math

import numpy as np
import pytest
from method_makers import info_of

from iot_fl_ros.core.effects import (
    PreparePublisher,
    Publish,
    Record,
    RunEnded,
    SaveCheckpoint,
    StartJob,
    Subscribe,
    Warn,
)
from iot_fl_ros.core.events import (
    CheckpointSaved,
    GraphChanged,
    JobDone,
    JobFailed,
    Leave,
    MessageArrived,
    TimerFired,
)
from iot_fl_ros.core.messages.chunks import ChunkRequest
from iot_fl_ros.core.messages.mesh import PeerChunk, PeerState, PeerStatus
from iot_fl_ros.core.tensors import TensorSpec
from iot_fl_ros.exchange.chunking import Parcel
from iot_fl_ros.mesh.graph import Links
from iot_fl_ros.mesh.jobs import Mix, Mixed, PeerReady, PeerTrained, PreparePeer, TrainPeer
from iot_fl_ros.mesh.peer import PeerMachine
from iot_fl_ros.mesh.settings import MeshSettings, PeerRunSettings
from iot_fl_ros.training.energy import EnergySettings

INFO = info_of('fedavg', rounds=4)
RUN = 'r-1'


class Wire:
    """A method's wire contract: one number."""

    def update_specs(self, round):
        return (TensorSpec('mark', 'int64', (1,)),)

    def check_values(self, tensors, round):
        pass


def of(kind, effects):
    return [effect for effect in effects if isinstance(effect, kind)]


def job_of(effects):
    return next((effect.job for effect in of(StartJob, effects)), None)


def update(mark):
    return {'mark': np.array([mark], np.int64)}


class Peer:
    """Peer `b` between `a` and `c` (mesh.graph line), driven by hand."""

    def __init__(self, neighbours=('a', 'c'), **mesh):
        run = PeerRunSettings(name='r', rounds=4)
        self.machine = PeerMachine('b', run, MeshSettings(**mesh), EnergySettings())
        self.neighbours = neighbours
        self.now = 0.0

    def prepare(self, manifest=None, kept=None):
        effects = self.machine.start(self.now)
        assert isinstance(job_of(effects), PreparePeer)
        ready = PeerReady(INFO, Wire(), 10, Links(self.neighbours), manifest, kept or {})
        return self.tell(JobDone(PreparePeer(), ready))

    def tell(self, event, step=0.01):
        self.now += step
        return self.machine.handle(event, self.now)

    def hear(self, robot_id, round=0, mark=0, state=PeerState.READY, run_id=RUN, **fields):
        digest = parcel(round, mark).digest if round else b''
        values = {
            'stamp': self.now, 'run_id': run_id, 'robot_id': robot_id, 'sequence': 1,
            'state': state, 'reason': '', 'round': round, 'update_digest': digest,
            'neighbours': ('b',), 'samples': 5, 'loss': math.nan, 'accuracy': math.nan,
            'disagreement': math.nan, 'train_seconds': 0.0, 'wait_seconds': 0.0,
            'bytes_received': 0, 'bytes_sent': 0, 'joules': 0.0,
        }  # fmt: skip
        return self.tell(MessageArrived(PeerStatus(**{**values, **fields}), 100))

    def receive(self, robot_id, round, mark, run_id=RUN):
        return self.tell(MessageArrived(chunk(robot_id, round, mark, run_id), 100))

    def begin(self):
        self.prepare()
        self.hear('a')
        return self.hear('c')

    def train(self, round, mark=7):
        return self.tell(JobDone(TrainPeer(round), PeerTrained(update(mark), 0.5)))

    def mix(self, round, links=None):
        effects = self.tell(JobDone(Mix(round, {}, {}, {}), Mixed(0.5, 0.1, links)))
        assert of(SaveCheckpoint, effects)
        return [*effects, *self.tell(CheckpointSaved(round))]


def parcel(round, mark):
    return Parcel.of(update(mark), round=round, model_version=0)


def chunk(robot_id, round, mark, run_id=RUN):
    return parcel(round, mark).chunks(
        PeerChunk, run_id=run_id, sender_id=robot_id, stamp=0.0, first_sequence=0
    )[0]


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


def test_it_does_not_count_what_it_hears_of_itself():
    peer = Peer()
    peer.begin()
    before = peer.machine.endpoint.bytes_received
    peer.hear('b', neighbours=('a', 'c'))
    assert peer.machine.endpoint.bytes_received == before


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


def test_somebody_else_of_the_same_name_is_noticed():
    peer = Peer()
    peer.begin()
    assert peer.hear('b', neighbours=('a',)) == []
    warnings = of(Warn, peer.hear('b', neighbours=('a',), sequence=10_000))
    assert 'give every robot an id of its own' in warnings[0].text


def test_it_says_goodbye():
    peer = Peer()
    peer.begin()
    assert of(Publish, peer.tell(Leave()))[0].message.state == PeerState.LEAVING
