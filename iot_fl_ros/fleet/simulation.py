"""A whole fleet in one process: the same machines and workers as in the nodes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Any

from iot_fl_ros.core.errors import IotFlError
from iot_fl_ros.core.messages import (
    AGGREGATOR,
    ChunkRequest,
    GlobalChunk,
    RobotState,
    RobotStatus,
    RoundPlan,
    RunInfo,
    TensorChunk,
)
from iot_fl_ros.core.names import robot_ids
from iot_fl_ros.core.seeds import generator
from iot_fl_ros.core.store import MemoryStore, Store
from iot_fl_ros.fleet.clock import VirtualClock
from iot_fl_ros.fleet.host import Host, Worker
from iot_fl_ros.fleet.network import Faults, Network, Uplink
from iot_fl_ros.learning.aggregator import AggregatorMachine
from iot_fl_ros.learning.jobs import AggregatorWorker, Assess, RobotWorker, TrainRound
from iot_fl_ros.learning.robot import RobotMachine
from iot_fl_ros.learning.settings import FleetSettings

ROBOT_TOPICS = (RunInfo, RoundPlan, GlobalChunk, ChunkRequest)
AGGREGATOR_TOPICS = (RobotStatus, TensorChunk, ChunkRequest)
Record = Callable[[Mapping[str, Any]], None]
_CHECK_PERIOD = 60.0  # virtual s
_ASSESS_SECONDS = 0.5  # virtual; while the robots train


class Simulation:
    """Runs one federated run in virtual time. Hosts can be crashed and started again.

    train_seconds: virtual duration of a robot's training in a round; the aggregator measures its
    model in half a virtual second, other jobs take none. uplink: what messages go through first,
    see `fleet.network`. threads: jobs that compute at a time. crashes: robots keep checkpoints in
    memory, so that they can be crashed and started again. models: models of the robots, in turn;
    empty = that of the run. tags: of the robots by id.
    """

    def __init__(
        self,
        settings: FleetSettings,
        *,
        robots: int,
        faults: Faults | None = None,
        fault_seed: int = 0,
        train_seconds: Callable[[str, int], float] = lambda robot_id, round: 1.0,
        uplink: Uplink | None = None,
        record: Record | None = None,
        store: Store | None = None,
        threads: int = 1,
        crashes: bool = True,
        models: Sequence[str] = (),
        tags: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        self.settings = settings
        self.clock = VirtualClock()
        rng = generator(fault_seed, 'network')
        self.network = Network(self.clock, faults or Faults(), rng, uplink)
        self.hosts: dict[str, Host] = {}
        self.rows: list[Mapping[str, Any]] = []
        self._train_seconds = train_seconds
        self._record = record
        self._stores: dict[str, Store] = {AGGREGATOR: store or MemoryStore()}
        self._robots = robots
        self._crashes = crashes
        self._models = tuple(models)
        self._tags = tags
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def start_all(self) -> None:
        """Start the aggregator and every robot."""
        self.start(AGGREGATOR)
        for robot_id in robot_ids(self._robots):
            self.start(robot_id)

    def start(self, name: str) -> None:
        """Start a host, from its checkpoint if it has run before."""
        self.hosts[name] = self._aggregator() if name == AGGREGATOR else self._robot(name)
        self.hosts[name].start()

    def crash(self, name: str) -> None:
        """Kill a host; what it had saved survives."""
        self.hosts[name].stop()
        if name == AGGREGATOR:
            self.network.forget_latched()

    def run(self, until: float = 1e9) -> None:
        """Run to the end of the federated run; IotFlError if virtual time `until` comes first."""
        while not self.clock.run(
            self.clock.now + _CHECK_PERIOD, lambda: self.hosts[AGGREGATOR].ended
        ):
            if self._all_refused():
                reasons = {self.robot(i).reason for i in self.robot_states()}
                raise IotFlError(f'no robot can take part: {"; ".join(sorted(reasons))}')
            if self.clock.now >= until:
                machine = self.aggregator
                raise IotFlError(
                    f'the run has not ended by virtual second {until:g}: {machine.state.value}, '
                    f'round {machine.round}; robots {self.robot_states()}'
                )
        if self._pool:
            self._pool.shutdown()

    def _all_refused(self) -> bool:
        return set(self.robot_states().values()) == {RobotState.REFUSED.name}

    @property
    def aggregator(self) -> AggregatorMachine:
        """The machine of the aggregator."""
        machine = self.hosts[AGGREGATOR].machine
        assert isinstance(machine, AggregatorMachine)
        return machine

    def robot(self, robot_id: str) -> RobotMachine:
        """Return the machine of a robot."""
        machine = self.hosts[robot_id].machine
        assert isinstance(machine, RobotMachine)
        return machine

    def robot_states(self) -> dict[str, str]:
        """Return the state of every robot."""
        return {i: self.robot(i).state.name for i in self.hosts if i != AGGREGATOR}

    def make_aggregator_worker(self, store: Store) -> AggregatorWorker:
        """Return the aggregator's worker."""
        settings = self.settings
        return AggregatorWorker(settings.aggregator, settings.method_name, settings.method, store)

    def make_robot_worker(self, robot_id: str, index: int, store: Store | None) -> Worker:
        """Return the worker of the robot that has part `index` of the private samples."""
        learner = self.settings.learner
        data = dataclasses.replace(
            learner.data, partition_index=index, partition_count=self._robots
        )
        robot = dataclasses.replace(learner.robot, trusted=self.settings.trusted)
        name = self._models[index % len(self._models)] if self._models else learner.model.name
        model = dataclasses.replace(learner.model, name=name)
        settings = dataclasses.replace(learner, data=data, robot=robot, model=model)
        return RobotWorker(robot_id, settings, store)

    def _aggregator(self) -> Host:
        store = self._stores[AGGREGATOR]
        worker = self.make_aggregator_worker(store)
        run = self.settings.aggregator.run
        restored = worker.restore() if run.resume else None
        machine = AggregatorMachine(
            run, worker.info, worker.initial_global(), restored, self.settings.aggregator.select
        )
        return Host(
            AGGREGATOR,
            machine,
            worker,
            self.clock,
            self.network,
            AGGREGATOR_TOPICS,
            job_seconds=lambda job: _ASSESS_SECONDS if isinstance(job, Assess) else 0.0,
            record=self._keep,
            pool=self._pool,
        )

    def _robot(self, robot_id: str) -> Host:
        store = self._stores.setdefault(robot_id, MemoryStore()) if self._crashes else None
        index = robot_ids(self._robots).index(robot_id)
        machine = RobotMachine(robot_id, self.settings.trusted, self._tags.get(robot_id, ()))
        return Host(
            robot_id,
            machine,
            self.make_robot_worker(robot_id, index, store),
            self.clock,
            self.network,
            ROBOT_TOPICS,
            job_seconds=lambda job: (
                self._train_seconds(robot_id, job.round) if isinstance(job, TrainRound) else 0.0
            ),
            sent=machine.note_sent,
            pool=self._pool,
        )

    def _keep(self, row: Mapping[str, Any]) -> None:
        self.rows.append(row)
        if self._record:
            self._record(row)
