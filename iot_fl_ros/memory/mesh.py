"""A whole mesh in one process: the same machines and workers as in the nodes, in virtual time."""

from __future__ import annotations

import dataclasses
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.machine import Worker
from iot_fl_ros.core.messages.delivery import Role
from iot_fl_ros.core.messages.mesh import PeerState
from iot_fl_ros.core.store import Store
from iot_fl_ros.memory.fleet import MemoryFleet
from iot_fl_ros.memory.network import Faults, Network
from iot_fl_ros.mesh.graph import build_graph
from iot_fl_ros.mesh.jobs import Mix, TrainPeer
from iot_fl_ros.mesh.peer import PeerMachine
from iot_fl_ros.mesh.report import merge_rows
from iot_fl_ros.mesh.settings import MeshRunSettings, PeerSettings
from iot_fl_ros.mesh.worker import PeerWorker
from iot_fl_ros.methods.method import disagreement

Probabilities = NDArray[np.float32]


class RadioNetwork(Network):
    """A network in which only who is in range is heard. `range`: None = everybody."""

    range: nx.Graph | None = None

    def _send(self, name: str, message: Any, size: int, start: float) -> None:
        sender = message.sender
        if self.range is None or sender == name or self.range.has_edge(sender, name):
            super()._send(name, message, size, start)


class TrueDisagreement:
    """Disagreement among the models of all peers after each round, which no peer can see."""

    def __init__(self, peers: int) -> None:
        self._peers = peers
        self._lock = threading.Lock()
        self._open: dict[int, dict[str, Probabilities]] = {}
        self._known: dict[int, float] = {}

    def add(self, round: int, robot_id: str, predictions: Probabilities) -> None:
        """Take the predictions of one peer after `round`, [N, C]."""
        with self._lock:
            there = self._open.setdefault(round, {})
            there[robot_id] = predictions
            if len(there) == self._peers:
                self._known[round] = _among(there)
                del self._open[round]

    def of(self, round: int) -> float:
        """Return the disagreement among all that did `round`; NaN if fewer than two."""
        if round in self._known:
            return self._known[round]
        return _among(self._open.get(round, {}))


class MeasuredWorker(PeerWorker):
    """The worker of a peer that tells what its model predicts after each round."""

    def __init__(
        self, robot_id: str, settings: MeshRunSettings, store: Store | None,
        measure: TrueDisagreement,
    ) -> None:  # fmt: skip
        super().__init__(robot_id, settings, store)
        self._measure = measure

    def run(self, job: Any) -> Any:
        """Do `job`."""
        result = super().run(job)
        if isinstance(job, Mix) and self.participant.probe is not None:
            predictions = self.participant.trainer.probabilities(self.participant.probe)
            self._measure.add(job.round, self.participant.id, predictions)
        return result


class MeshSimulation(MemoryFleet):
    """Runs one mesh in virtual time. Peers can be crashed and started again, links changed.

    train_seconds, mix_seconds: virtual durations of both jobs of a round. threads: jobs that
    compute at a time. crashes: peers keep checkpoints in memory. models: models of the peers, in
    turn; empty = that of the settings. radio: who is in range of whom; None = everybody. record:
    takes the rows of every peer. own: settings of peers that have some of their own.
    """

    def __init__(
        self,
        settings: MeshRunSettings,
        *,
        faults: Faults | None = None,
        fault_seed: int = 0,
        train_seconds: Callable[[str], float] = lambda robot_id: 1.0,
        mix_seconds: Callable[[str], float] = lambda robot_id: 0.0,
        threads: int = 1,
        crashes: bool = True,
        models: Sequence[str] = (),
        radio: nx.Graph | None = None,
        record: Callable[[str, Mapping[str, Any]], None] | None = None,
        own: Mapping[str, PeerSettings] | None = None,
    ) -> None:
        self.settings = settings
        mesh, seed = settings.peer.mesh, settings.peer.run.seed
        discovers = mesh.graph == 'discovery'
        self.ids = mesh.ids if discovers else sorted(build_graph(mesh, seed))
        network = RadioNetwork(faults, fault_seed)
        network.range = radio
        super().__init__(network, threads)
        self.peer_rows: dict[str, list[Mapping[str, Any]]] = {i: [] for i in self.ids}
        self.measure = TrueDisagreement(len(self.ids))
        self._seconds = {TrainPeer: train_seconds, Mix: mix_seconds}
        self._crashes = crashes
        self._models = tuple(models)
        self._record = record
        self._own = own or {}
        self._waiting: set[str] = set()

    def names(self) -> list[str]:
        """Return every peer."""
        return self.ids

    def start(self, name: str) -> None:
        """Start a peer, from its checkpoint if it has run before."""
        self._waiting.add(name)
        super().start(name)

    def crash(self, name: str) -> None:
        """Kill a peer; what it had saved survives."""
        super().crash(name)
        self._waiting.discard(name)

    def over(self) -> bool:
        """Return whether all living peers are done."""
        return not self._waiting

    def drop_refused(self) -> list[str]:
        """Return why peers cannot take part, if none of those that are not done can."""
        refused = {i for i in self._waiting if self.peer(i).state is PeerState.REFUSED}
        self._waiting -= refused
        return [] if self._waiting else [self.peer(i).reason for i in refused]

    def result(self) -> list[dict[str, Any]]:
        """Return the rows of the mesh; `disagreement_all` is that among all peers."""
        merged = merge_rows(self.peer_rows)
        for row in merged:
            if row['kind'] == 'round':
                row['disagreement_all'] = self.measure.of(row['round'])
        return merged

    def peer(self, robot_id: str) -> PeerMachine:
        """Return the machine of a peer."""
        return self.machine(robot_id)

    def settings_of(self, robot_id: str) -> MeshRunSettings:
        """Return the settings of a peer: its part of the private samples, its model in turn."""
        peer = self._own.get(robot_id, self.settings.peer)
        own = self.own_settings(peer, robot_id, self.ids, self._models)
        return dataclasses.replace(self.settings, peer=own)

    def make_worker(self, robot_id: str, store: Store | None) -> Worker:
        """Return the worker of a peer."""
        return MeasuredWorker(robot_id, self.settings_of(robot_id), store, self.measure)

    def make(self, name: str) -> tuple[Role, Any, Worker]:
        """Return a peer."""
        store = self._stores[name] if self._crashes else None
        peer = self.settings.peer
        machine = PeerMachine(name, peer.run, peer.mesh, peer.energy)
        return Role.PEER, machine, self.make_worker(name, store)

    def job_seconds(self, name: str, job: Any) -> float:
        """Return how long peers train and mix."""
        seconds = self._seconds.get(type(job))
        return seconds(name) if seconds else 0.0

    def keep(self, name: str, row: Mapping[str, Any]) -> None:
        """Take a row of a peer."""
        super().keep(name, row)
        self.peer_rows[name].append(row)
        if row['kind'] == 'end':
            self._waiting.discard(name)
        if self._record:
            self._record(name, row)


def _among(predictions: Mapping[str, Probabilities]) -> float:
    if len(predictions) < 2:
        return math.nan
    return disagreement([predictions[i] for i in sorted(predictions)])
