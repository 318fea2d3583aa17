"""Whatever strangers and liars send, in any order: a peer does all its rounds and never raises."""

import dataclasses

import numpy as np
import pytest
from peer_driver import INFO, RUN, Peer, chunk, job_of, of, parcel

from iot_fl_ros.core.effects import RunEnded, SaveCheckpoint
from iot_fl_ros.core.events import (
    BadMessage,
    CheckpointSaved,
    GraphChanged,
    JobDone,
    JobFailed,
    MessageArrived,
    PeersChanged,
    TimerFired,
)
from iot_fl_ros.core.messages.chunks import ChunkRequest
from iot_fl_ros.core.messages.mesh import PeerState
from iot_fl_ros.mesh.jobs import Mix, Mixed, PeerTrained, TrainPeer

NAMES = ('a', 'b', 'c', 'x')
TIMERS = ('heartbeat', 'repair', 'deadline', 'start', 'farewell', 'nonsense')


class Liar:
    """Sends a peer one thing after the other, and does its jobs now and then."""

    def __init__(self, seed, graph):
        self.rng = np.random.default_rng(seed)
        discovers = graph == 'discovery'
        self.peer = Peer(neighbours=() if discovers else ('a', 'c'), graph=graph)
        self.waiting = []
        self.ended = 0
        self.mixed = []
        self._take(self.peer.prepare())

    def pick(self, *choices):
        return choices[int(self.rng.integers(len(choices)))]

    def step(self):
        action = self.pick(self._job, self._status, self._status, self._chunk, self._other)
        self._take(action() or [])

    def _take(self, effects):
        job = job_of(effects)
        if job is not None:
            self.waiting.append(job)
        self.waiting += of(SaveCheckpoint, effects)
        self.ended += len(of(RunEnded, effects))

    def _job(self):
        if not self.waiting:
            return []
        job = self.waiting.pop(0)
        if isinstance(job, SaveCheckpoint):
            event = self.pick(CheckpointSaved(job.round), JobFailed(job, 'disk full'))
        elif isinstance(job, TrainPeer):
            marks = {'mark': np.array([job.round], np.int64)}
            event = self.pick(JobDone(job, PeerTrained(marks, 0.5)), JobFailed(job, 'no memory'))
        else:
            assert isinstance(job, Mix)
            self.mixed.append(job)
            event = self.pick(JobDone(job, Mixed(0.5, 0.1)), JobFailed(job, 'no memory'))
        return self.peer.tell(event)

    def _status(self):
        peer, rng = self.peer, self.rng
        robot_id, round = self.pick(*NAMES), int(rng.integers(0, 7))
        digest = self.pick(b'', bytes(32), parcel(round, 3).digest, parcel(round, 4).digest)
        return peer.hear(
            robot_id,
            round,
            run_id=self.pick(RUN, RUN, RUN, 'r-2', 'other-1', ''),
            state=PeerState(int(rng.integers(len(PeerState)))),
            update_digest=digest,
            neighbours=tuple(sorted({*rng.choice(list('acdx'), 3)} - {robot_id})),
            stamp=max(0.0, peer.now + self.pick(0.0, 0.0, -5.0, 0.1)),
        )

    def _chunk(self):
        robot_id, round = self.pick(*NAMES), int(self.rng.integers(0, 7))
        message = chunk(robot_id, round, self.pick(3, 4), self.pick(RUN, RUN, 'r-2'))
        if self.pick(True, False, False):
            message = dataclasses.replace(message, digest=bytes(32))
        return self.peer.tell(MessageArrived(message, 100))

    def _other(self):
        event = self.pick(
            TimerFired(self.pick(*TIMERS)),
            PeersChanged(),
            BadMessage('peer_updates', '(unknown)', 'undecodable', 10),
            GraphChanged(self.pick(('a', 'c'), ('a',), ('a', 'c', 'x'), (), ('b', 'c'))),
            MessageArrived(
                ChunkRequest(
                    stamp=0.0,
                    run_id=RUN,
                    sender_id=self.pick(*NAMES),
                    receiver_id='b',
                    digest=bytes(32),
                    missing=(0, 7),
                ),
                50,
            ),
        )
        return self.peer.tell(event, self.pick(0.0, 0.1, 1.0, 6.0))


@pytest.mark.parametrize('graph', ['line', 'discovery'])
@pytest.mark.parametrize('seed', range(20))
def test_a_peer_among_liars_gets_to_its_end(seed, graph):
    liar = Liar(seed, graph)
    for _ in range(1_500):
        liar.step()
    machine = liar.peer.machine
    assert machine.state is PeerState.FINISHED
    assert machine.round == INFO.rounds
    assert liar.ended == 1
    assert sum(machine.endpoint.refusals.values()) > 100
    rounds = [job.round for job in liar.mixed]
    assert rounds == sorted(set(rounds)), 'every round at most once, in order'
    for job in liar.mixed:
        assert sum(job.weights.values()) == pytest.approx(1)
        assert set(job.received) <= {'a', 'c', 'x'}
        assert all(int(t['mark'][0]) in (3, 4) for t in job.received.values())
