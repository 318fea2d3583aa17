"""Seeded schedules of loss, crashes, come-backs and new graphs: a mesh gets to its end anyway."""

import networkx as nx
import numpy as np
import pytest
from marking_mesh import MarkingMesh, change_graph

from iot_fl_ros.core.run_files import summarize
from iot_fl_ros.exchange import chunking as transfer
from iot_fl_ros.memory.network import Faults
from iot_fl_ros.mesh.graph import build_graph
from iot_fl_ros.mesh.report import merge_rows
from iot_fl_ros.mesh.settings import GRAPHS, WEIGHTS, MeshRunSettings, MeshSettings

SCHEDULES = 100
QUICK = 30  # of them in `make test`; all in `make bench`
SEEDS = [
    pytest.param(seed, id=f'seed{seed}-', marks=[pytest.mark.slow] * (seed >= QUICK))
    for seed in range(SCHEDULES)
]
STORM_ENDS = 60.0
TIME_LIMIT = 2_000.0
NAMED = [name for name in GRAPHS if name != 'file']


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Cut updates into several chunks."""
    monkeypatch.setattr(transfer, 'CHUNK_BYTES', 100)


class Schedule:
    """One seeded schedule."""

    def __init__(self, seed):
        rng = self.rng = np.random.default_rng(seed)
        self.count = int(rng.integers(2, 8))
        self.rounds = int(rng.integers(3, 9))
        flat = {
            'method.name': 'marking_mesh:Marking',
            'mesh.graph': NAMED[seed % len(NAMED)],
            'mesh.count': self.count,
            'mesh.probability': 0.5,
            'mesh.weights': WEIGHTS[int(rng.integers(2))],
            'run.seed': seed,
            'run.rounds': self.rounds,
            'run.deadline': 8.0,
            'run.start_timeout': 10.0,
            'run.heartbeat': 0.5,
            'run.lease': 3.0,
        }
        faults = Faults(
            drop=float(rng.uniform(0, 0.4)),
            duplicate=float(rng.uniform(0, 0.3)),
            min_delay=0.001,
            max_delay=float(rng.uniform(0.01, 2.0)),
            until=STORM_ENDS,
        )
        self.mesh = MarkingMesh(
            MeshRunSettings.from_flat(flat),
            faults=faults,
            fault_seed=seed,
            train_seconds=lambda robot_id: float(rng.uniform(0.1, 6.0)),
        )
        self.mesh.failures = {
            (self.mesh.ids[int(rng.integers(self.count))], int(rng.integers(1, self.rounds)))
            for _ in range(int(rng.integers(0, 3)))
        }
        self.down = set()

    def run(self):
        rng, mesh, clock = self.rng, self.mesh, self.mesh.clock
        mesh.start_all()
        for _ in range(int(rng.integers(0, 8))):
            name = mesh.ids[int(rng.integers(self.count))]
            crash = float(rng.uniform(0, STORM_ENDS))
            back = crash + float(rng.uniform(0.1, 15.0))
            clock.at(crash, lambda name=name: self._crash(name))
            clock.at(back, lambda name=name: self._restart(name))
        if mesh.settings.peer.mesh.graph != 'discovery':
            for _ in range(int(rng.integers(0, 3))):
                kind = ('ring', 'star', 'line')[int(rng.integers(3))]
                graph = build_graph(MeshSettings(graph=kind, robots=list(mesh.ids)), 0)
                clock.at(
                    float(rng.uniform(0, STORM_ENDS)),
                    lambda graph=graph: change_graph(mesh, graph),
                )
        clock.run(STORM_ENDS + 20.0, lambda: False)  # whoever was down is back
        return mesh.run(until=TIME_LIMIT)

    def _crash(self, name):
        if name not in self.down:
            self.down.add(name)
            self.mesh.crash(name)

    def _restart(self, name):
        if name in self.down:
            self.down.discard(name)
            self.mesh.start(name)


@pytest.mark.parametrize('seed', SEEDS)
def test_a_mesh_survives_its_schedule(seed):
    schedule = Schedule(seed)
    rows = schedule.run()
    mesh = schedule.mesh
    assert mesh.errors == []
    for robot_id in mesh.ids:
        peer = mesh.peer(robot_id)
        assert (peer.state.name, peer.round) == ('FINISHED', schedule.rounds)
        manifest, _ = mesh._stores[robot_id].read()
        assert manifest['round'] == schedule.rounds
        lives = [row['round'] for row in mesh.peer_rows[robot_id] if row['kind'] == 'start']
        done = [row['round'] for row in mesh.peer_rows[robot_id] if row['kind'] == 'round']
        repeated = len(done) - len(set(done))
        assert repeated <= len(lives) - 1, 'a round is done again only after a crash'
    assert summarize(rows)['rounds'] <= schedule.rounds
    totals = [row['bytes_total'] for row in rows if row['kind'] == 'round']
    assert totals == sorted(totals)


def test_a_schedule_replays():
    runs = []
    for _ in range(2):
        schedule = Schedule(7)
        runs.append((repr(schedule.run()), schedule.mesh.mixed))
    assert runs[0] == runs[1]


def test_the_storms_are_storms():
    """The schedules really leave neighbours out, or they would show nothing."""
    late = silent = alone = full = 0
    for seed in range(10):
        schedule = Schedule(seed)
        summary = summarize(schedule.run())
        late += summary['late']
        silent += summary['silent']
        alone += sum(heard == 0 for _, _, heard in schedule.mesh.mixed)
        full += sum(heard > 0 for _, _, heard in schedule.mesh.mixed)
    assert late > 10
    assert silent > 10
    assert full > alone > 0


def test_in_the_calm_everybody_mixes_with_all_neighbours():
    schedule = Schedule(4)
    flat = MeshRunSettings.from_flat(
        {'method.name': 'marking_mesh:Marking', 'mesh.graph': 'ring', 'mesh.count': 5}
    )
    schedule.mesh = MarkingMesh(flat)
    schedule.mesh.start_all()
    schedule.mesh.run(until=TIME_LIMIT)
    assert {heard for _, _, heard in schedule.mesh.mixed} == {2}
    assert len(schedule.mesh.mixed) == 5 * flat.peer.run.rounds


def test_totals_go_on_over_a_restart():
    def row(number, sent):
        return {
            'kind': 'round', 'round': number, 'accuracy': 0.5, 'loss': 0.1, 'disagreement': 0.1,
            'seconds': 1.0, 'time': float(number), 'late': [], 'silent': [], 'refused': [],
            'bytes_sent': sent, 'bytes_received': 2 * sent, 'joules': 1.0, 'joules_active': 0.5,
        }  # fmt: skip

    start = {'kind': 'start', 'round': 2}
    lives = {'a': [row(1, 10), row(2, 20), start, row(3, 25)], 'b': [row(1, 1), row(3, 3)]}
    rows = merge_rows(lives)
    assert [r['bytes_total'] for r in rows[:-1]] == [33, 63, 144]
    assert [r['bytes_up'] for r in rows[:-1]] == [11, 10, 27]
    assert rows[1]['participants'] == ['a']
    assert rows[-1]['bytes_up'] == 48
    assert rows[-1]['joules'] == 3.0


def test_a_graph_that_changes_has_the_same_robots():
    mesh = Schedule(0).mesh
    ids = mesh.ids
    ring = nx.relabel_nodes(nx.cycle_graph(len(ids)), dict(enumerate(ids)))
    mesh.start_all()
    change_graph(mesh, ring)
    assert mesh.run(until=TIME_LIMIT)[-1]['robots'] == len(ids)
