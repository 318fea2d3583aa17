"""Drives a peer's state machine without ROS: statuses, updates and jobs by hand."""

import math

import numpy as np
from method_makers import info_of

from iot_fl_ros.core.effects import (
    SaveCheckpoint,
    StartJob,
)
from iot_fl_ros.core.events import (
    CheckpointSaved,
    JobDone,
    MessageArrived,
)
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
            'started': 0.0,
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
