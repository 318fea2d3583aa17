"""A method and workers of a mesh without training, whose updates tell where they come from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from iot_fl_ros.core.config import setting
from iot_fl_ros.core.events import GraphChanged
from iot_fl_ros.core.messages.federation import RunInfo
from iot_fl_ros.core.tensors import TensorSpec
from iot_fl_ros.memory.mesh import MeshSimulation
from iot_fl_ros.mesh.graph import LinkSource, links_of
from iot_fl_ros.mesh.jobs import Mix, Mixed, PeerReady, PeerTrained, PreparePeer
from iot_fl_ros.methods.method import MeshMethod

SIZE = 40


@dataclass(frozen=True)
class MarkingSettings:
    """Nothing that matters."""

    unused: int = setting(0, 'Not used.')


class Marking(MeshMethod):
    """Updates are filled with their round and the hash of their sender."""

    Settings = MarkingSettings

    def update_specs(self, round):
        return (TensorSpec('mark', 'int64', (SIZE,)),)

    def check_values(self, tensors, round):
        pass

    def train(self, participant, round):
        raise NotImplementedError

    def mix(self, participant, own, received, weights, round):
        raise NotImplementedError


def mark(robot_id, round):
    return np.full(SIZE, round * 1_000_000 + sum(map(ord, robot_id)), np.int64)


def marking_run(run):
    """The constants on which all peers of a marking mesh agree."""
    return RunInfo(
        stamp=0.0,
        run_id=f'{run.name}-marking',
        epoch=0,
        method='marking',
        method_settings='',
        model='none',
        seed=run.seed,
        class_names=('a', 'b'),
        input_shape=(4,),
        state_size=7,
        open_set_size=0,
        open_set_digest=b'',
        rounds=run.rounds,
        heartbeat_period=run.heartbeat,
    )


class MarkingWorker:
    """A peer that trains on nothing, fails now and then, and checks what it is given to mix."""

    keeps = True

    def __init__(self, robot_id, settings, store, errors, mixed, failures):
        self._robot_id, self._settings, self._store = robot_id, settings, store
        self._errors, self._mixed, self._failures = errors, mixed, failures

    def run(self, job):
        if isinstance(job, PreparePeer):
            return self._prepare()
        if isinstance(job, Mix):
            self._check(job)
            return Mixed(0.5, 0.1)
        if (self._robot_id, job.round) in self._failures:
            raise RuntimeError('no memory')
        return PeerTrained({'mark': mark(self._robot_id, job.round)}, 0.5)

    def save(self, effect):
        self._store.write(effect.manifest, effect.tensors)

    def _prepare(self):
        peer = self._settings.peer
        info = marking_run(peer.run)
        links = LinkSource(peer.mesh, self._robot_id, peer.run.seed).read()
        manifest, update = self._store.read() or (None, {})
        return PeerReady(info, Marking(None, info), 10, links, manifest, update)

    def _check(self, job):
        """Notice an update of another round or sender, and weights that do not sum to 1."""
        for robot_id, tensors in [
            *job.received.items(),
            *([(self._robot_id, job.own)] * bool(job.own)),
        ]:
            if not np.array_equal(tensors['mark'], mark(robot_id, job.round)):
                self._errors.append(f'{self._robot_id} mixes a wrong update of {robot_id}')
        if self._robot_id in job.received:
            self._errors.append(f'{self._robot_id} received its own update')
        if not math.isclose(sum(job.weights.values()), 1) or min(job.weights.values()) < 0:
            self._errors.append(f'weights {job.weights}')
        if set(job.weights) != {*job.received, self._robot_id}:
            self._errors.append(f'weights {job.weights} for {set(job.received)}')
        self._mixed.append((self._robot_id, job.round, len(job.received)))


class MarkingMesh(MeshSimulation):
    """A mesh of marking peers; `errors` holds what went wrong."""

    def __init__(self, *args, failures=(), **kwargs):
        self.errors, self.mixed, self.failures = [], [], set(failures)
        super().__init__(*args, **kwargs)

    def make_worker(self, robot_id, store):
        return MarkingWorker(
            robot_id, self.settings, store, self.errors, self.mixed, self.failures
        )


def change_graph(simulation, graph):
    """Let every peer have the links of another graph from now on."""
    for robot_id, host in simulation.hosts.items():
        links = links_of(graph, robot_id)
        host.tell(GraphChanged(links.neighbours, links.eps))
