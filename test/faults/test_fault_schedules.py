"""Two hundred seeded schedules of loss, repetition, reordering, delay, crashes and restarts.

A failing seed is in the test's name; run it alone with `pytest -k 'seed17-'`.
"""

from __future__ import annotations

import numpy as np
import pytest
from marking import MarkingSimulation

from iot_fl_ros.core.messages.federation import AGGREGATOR
from iot_fl_ros.core.names import robot_ids
from iot_fl_ros.core.run_files import RunWriter, read_events, summarize
from iot_fl_ros.exchange import chunking as transfer
from iot_fl_ros.federation.settings import FleetSettings
from iot_fl_ros.memory.network import Faults

SCHEDULES = 200
QUICK = 50  # of them in `make test`; all in `make bench`
SEEDS = [
    pytest.param(seed, id=f'seed{seed}-', marks=[pytest.mark.slow] * (seed >= QUICK))
    for seed in range(SCHEDULES)
]
STORM_ENDS = 60.0
TIME_LIMIT = 2_000.0
BANDITS = ('elementwise_ucb', 'naive_ucb', 'bsfl', 'random', 'fedcs')


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    # Four chunks in a set of tensors, so that sets arrive in part.
    monkeypatch.setattr(transfer, 'CHUNK_BYTES', 100)


class Schedule:
    """One seeded schedule: a simulation, its faults, and the files that survive crashes."""

    def __init__(self, seed, folder, **more):
        self.rng = np.random.default_rng(seed)
        self.robots = int(self.rng.integers(2, 6))
        rounds = int(self.rng.integers(3, 7))
        flat = {
            'method.name': 'marking:Chained' if seed % 2 else 'marking:Marking',
            'run.rounds': rounds,
            'run.robots': self.robots,
            'run.quorum': int(self.rng.integers(0, self.robots + 1)),
            'run.deadline': 8.0,
            'run.start_timeout': 10.0,
            'run.heartbeat': 0.5,
            'run.lease': 3.0,
            **more,
        }
        faults = Faults(
            drop=float(self.rng.uniform(0, 0.4)),
            duplicate=float(self.rng.uniform(0, 0.3)),
            min_delay=0.001,
            max_delay=float(self.rng.uniform(0.01, 2.0)),
            until=STORM_ENDS,
        )
        self.folder = folder
        self.writer = RunWriter(folder, {}, 0)
        self.simulation = MarkingSimulation(
            FleetSettings.from_flat(flat),
            robots=self.robots,
            faults=faults,
            fault_seed=seed,
            train_seconds=lambda robot_id, round: float(self.rng.uniform(0.1, 6.0)),
            record=lambda row: self.writer.record(row),
        )
        self.down: set[str] = set()

    def run(self):
        clock = self.simulation.clock
        self.simulation.start_all()
        names = [AGGREGATOR, *robot_ids(self.robots)]
        for _ in range(int(self.rng.integers(0, 8))):
            name = names[int(self.rng.integers(len(names)))]
            crash = float(self.rng.uniform(0, STORM_ENDS))
            back = crash + float(self.rng.uniform(0.1, 15.0))
            clock.at(crash, lambda name=name: self._crash(name))
            clock.at(back, lambda name=name: self._restart(name))
        self.simulation.run(until=TIME_LIMIT)
        # Whoever is still down, or has not got the result, gets it in the calm after the storm.
        clock.run(clock.now + STORM_ENDS + 40.0, lambda: False)

    def _crash(self, name):
        if name not in self.down:
            self.down.add(name)
            self.simulation.crash(name)

    def _restart(self, name):
        if name not in self.down:
            return
        self.down.discard(name)
        if name == AGGREGATOR:
            kept = self.simulation._stores[AGGREGATOR].read()
            self.writer = RunWriter(self.folder, {}, kept[0]['round'] if kept else 0)
        self.simulation.start(name)


@pytest.mark.parametrize('seed', SEEDS)
def test_a_run_survives_its_schedule(seed, tmp_path):
    check(Schedule(seed, tmp_path), tmp_path)


@pytest.mark.parametrize('seed', SEEDS[::4])
def test_a_run_that_asks_some_survives_its_schedule(seed, tmp_path):
    policy = BANDITS[seed // 4 % len(BANDITS)]
    more = {'select.policy': policy, 'select.count': 2, 'select.timing': 'serial'}
    schedule = Schedule(seed, tmp_path, **more)
    check(schedule, tmp_path)
    asked = [row['participants'] for row in read_events(tmp_path) if row['kind'] == 'open']
    most = max(2, schedule.simulation.settings.aggregator.run.quorum)
    assert all(len(robots) <= most for robots in asked)


def check(schedule, tmp_path):
    schedule.run()
    simulation = schedule.simulation
    rounds = simulation.settings.aggregator.run.rounds

    counted = [row['round'] for row in read_events(tmp_path) if row['kind'] == 'round']
    assert counted == list(range(1, rounds + 1)), 'every round counts once, in order'
    assert simulation.errors == [], 'no set mixes rounds, nor comes without its predecessors'
    assert summarize(read_events(tmp_path))['rounds'] == rounds

    digest = simulation.aggregator.global_digest
    if simulation.aggregator.version:
        for robot_id in robot_ids(schedule.robots):
            robot = simulation.robot(robot_id)
            assert robot.state.name == 'FINISHED', f'{robot_id} is {robot.state.name}'
            assert robot.tensors.held == digest, f'{robot_id} does not have the result'


def test_a_schedule_replays(tmp_path):
    events = []
    for name in ('a', 'b'):
        schedule = Schedule(7, tmp_path / name)
        schedule.run()
        events.append((tmp_path / name / 'events.jsonl').read_bytes())
    assert events[0] == events[1]


def test_the_storms_are_storms(tmp_path):
    """The schedules really lose messages and leave robots behind, or they would show nothing."""
    late = gone = 0
    for seed in range(20):
        schedule = Schedule(seed, tmp_path / str(seed))
        schedule.run()
        summary = summarize(read_events(tmp_path / str(seed)))
        late += summary['late']
        gone += summary['silent']
    assert late > 10
    assert gone > 5
