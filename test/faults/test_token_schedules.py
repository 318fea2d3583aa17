"""A thousand seeded schedules against the safety of tokens.

Crashes of the holder at every step, other crashes and returns, partitions, loss, repetition and
reordering. Never do two robots act with one fencing number, never is an acknowledged visit lost.
A failing seed is in the test's name.
"""

from __future__ import annotations

import numpy as np
import pytest
from marking_token import MarkingWorker, marks_of

from iot_fl_ros.exchange import chunking as transfer
from iot_fl_ros.memory.network import Faults
from iot_fl_ros.memory.token import TramSimulation
from iot_fl_ros.token.settings import TramNodeSettings
from iot_fl_ros.token.states import HELD, Place

SCHEDULES = 1_000
QUICK = 100  # of them in `make test`; all in `make bench`
LEASE = 4.0
STORM_ENDS = 40.0
TIME_LIMIT = 1_000.0
STEPS = [place for place in Place if place is not Place.FINISHED]


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    # Three chunks in a token, so that it arrives in part.
    monkeypatch.setattr(transfer, 'CHUNK_BYTES', 1_000)


class Watch:
    """Looks at every robot after every event, and remembers who held what."""

    def __init__(self, simulation):
        self.simulation = simulation
        self.holders: dict[tuple[int, int], str] = {}
        self.held: dict[int, dict[int, tuple[int, set[int]]]] = {}
        self.offered: set[tuple[int, int]] = set()

    def look(self):
        for robot_id, machine in self.simulation.machines.items():
            for token in machine.tokens:
                if token.place in HELD:
                    self._holds(robot_id, token, machine)

    def _holds(self, robot_id, token, machine):
        key = token.token_id, token.fence
        known = self.holders.setdefault(key, robot_id)
        assert known == robot_id, f'{known} and {robot_id} both hold token and fence {key}'
        if token.place is Place.OFFERING and token._offered:
            self.offered.add(key)
        # Two results of one holding could not be told apart.
        assert token.place is not Place.TRAINING or key not in self.offered, f'again with {key}'
        held = self.held.setdefault(token.token_id, {})
        if token.fence not in held:
            base = machine.context.acceptor.promises[token.token_id].base
            held[token.fence] = base, marks_of(token.token)

    def check_lineage(self):
        """Whoever holds later has every visit that an earlier claim acknowledged."""
        for held in self.held.values():
            acknowledged: set[int] = set()
            for fence in sorted(held):
                base, marks = held[fence]
                assert acknowledged <= marks, f'fence {fence} lost {acknowledged - marks}'
                acknowledged = marks
                assert base < fence


class Schedule:
    """One seeded schedule: a fleet and what happens to it."""

    def __init__(self, seed, *, calm=False):
        self.rng = np.random.default_rng(seed)
        robots = int(self.rng.integers(3, 6))
        self.forgetful = seed % 4 == 3
        self.ids = [f'robot_{i}' for i in range(robots)]
        settings = TramNodeSettings.from_flat(
            {
                'run.updates': 24,
                'run.heartbeat': LEASE / 4,
                'run.lease': LEASE,
                'run.start_timeout': 10.0,
                'tram.robots': self.ids,
                'tram.tokens': int(self.rng.integers(1, 3)),
                'tram.cycle_batches': 6,
                'tram.offer_timeout': 8.0,
                'tram.merge': bool(self.rng.integers(2)),
                # Robots that forget everything may take the newest copies with them.
                'tram.give_up': 20.0 if self.forgetful else 0.0,
            }
        )
        harsh = 0.0 if calm else float(self.rng.uniform(0, 1))
        faults = Faults(
            drop=0.3 * harsh,
            duplicate=0.3 * harsh,
            min_delay=0.001,
            max_delay=0.01 + 1.0 * harsh,
            until=STORM_ENDS,
        )
        self.simulation = TramSimulation(
            settings,
            faults=faults,
            fault_seed=seed,
            batch_seconds=lambda robot_id: 0.3,
            forgetful=self.forgetful,
            worker=lambda robot_id, stores: MarkingWorker(
                robot_id, settings, stores, self.ids.index(robot_id)
            ),
        )
        self.watch = Watch(self.simulation)
        self.crashes = 0
        self.steps = [STEPS[i] for i in self.rng.integers(0, len(STEPS), 6)]

    def run(self):
        simulation, clock, rng = self.simulation, self.simulation.clock, self.rng
        simulation.start_all()
        for _ in range(int(rng.integers(0, 3))):
            start = float(rng.uniform(0, STORM_ENDS - 5))
            side = [i for i in self.ids if rng.random() < 0.5]
            clock.at(start, lambda side=side: simulation.network.split(side))
            clock.at(start + float(rng.uniform(1, 15)), lambda: simulation.network.split())
        clock.at(STORM_ENDS, lambda: simulation.network.split())
        while not simulation.over():
            assert clock.now < TIME_LIMIT, self.describe()
            clock.run(clock.now + 0.5, self._step)
            if all(not host.alive for host in simulation.hosts.values()):
                continue

    def _step(self):
        """After every event: look, and crash who has come to the step that is next."""
        self.watch.look()
        if self.steps and self.simulation.clock.now < STORM_ENDS:
            place = self.steps[0]
            for robot_id, machine in self.simulation.machines.items():
                if any(token.place is place for token in machine.tokens):
                    self.steps.pop(0)
                    self._crash(robot_id)
                    break
        return self.simulation.over()

    def _crash(self, robot_id):
        if self.forgetful and not self._all_remember():
            return  # if most robots forget at once, nothing is left to hold on to
        self.crashes += 1
        self.simulation.crash(robot_id)
        back = float(self.rng.choice([0.05, 1.0, 6.0, 15.0]))
        now = self.simulation.clock.now
        self.simulation.clock.at(now + back, lambda: self._return(robot_id))

    def _all_remember(self):
        machines = self.simulation.machines.values()
        alive = all(host.alive for host in self.simulation.hosts.values())
        return alive and all(machine.context.recovery.remembers for machine in machines)

    def _return(self, robot_id):
        if not self.simulation.hosts[robot_id].alive:
            self.simulation.start(robot_id)

    def describe(self):
        lines = []
        for robot_id, machine in self.simulation.machines.items():
            promises = machine.context.acceptor.promises
            for token in machine.tokens:
                lines.append(
                    f'{robot_id} {token.token_id} {token.place.name} fence {token.fence} copy '
                    f'{token.token.base} {token.token.trained} {promises[token.token_id]}'
                )
        return 'stuck:\n' + '\n'.join(lines)


BLOCKS = [
    pytest.param(block, id=f'block{block}-', marks=[pytest.mark.slow] * (block >= QUICK // 50))
    for block in range(SCHEDULES // 50)
]


@pytest.mark.parametrize('block', BLOCKS)
def test_a_token_survives_its_schedules(block):
    for seed in range(block * 50, (block + 1) * 50):
        schedule = Schedule(seed)
        try:
            schedule.run()
            if not schedule.forgetful:
                schedule.watch.check_lineage()
        except AssertionError as error:
            raise AssertionError(f'seed {seed}: {error}') from error
