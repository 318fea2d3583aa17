"""A whole fleet in one process: the same machines and workers as in the nodes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from iot_fl_ros.core.machine import Worker
from iot_fl_ros.core.messages.delivery import Role
from iot_fl_ros.core.messages.federation import (
    AGGREGATOR,
    RobotState,
)
from iot_fl_ros.core.names import robot_ids
from iot_fl_ros.core.store import Store
from iot_fl_ros.federation.aggregator import AggregatorMachine
from iot_fl_ros.federation.jobs import Evaluate, TrainRound
from iot_fl_ros.federation.robot import RobotMachine
from iot_fl_ros.federation.settings import FleetSettings, LearnerSettings
from iot_fl_ros.federation.workers import AggregatorWorker, RobotWorker
from iot_fl_ros.memory.fleet import MemoryFleet, Record
from iot_fl_ros.memory.network import Faults, Network, RobotUplink

_EVALUATE_SECONDS = 0.5  # virtual; while the robots train


class Simulation(MemoryFleet):
    """Runs one federated run in virtual time. Hosts can be crashed and started again.

    train_seconds: virtual duration of a robot's training in a round; the aggregator measures its
    model in half a virtual second, other jobs take none. uplink: what messages go through first,
    see `memory.network`. threads: jobs that compute at a time. crashes: robots keep checkpoints in
    memory, so that they can be crashed and started again. models: models of the robots, in turn;
    empty = that of the run. tags: of the robots by id. restored: told the last round that was
    kept, before any row of the aggregator. own: settings of robots that have others.
    """

    def __init__(
        self,
        settings: FleetSettings,
        *,
        robots: int,
        faults: Faults | None = None,
        fault_seed: int = 0,
        train_seconds: Callable[[str, int], float] = lambda robot_id, round: 1.0,
        uplink: RobotUplink | None = None,
        record: Record | None = None,
        store: Store | None = None,
        threads: int = 1,
        crashes: bool = True,
        models: Sequence[str] = (),
        tags: Mapping[str, Sequence[str]] = MappingProxyType({}),
        restored: Callable[[int], None] | None = None,
        own: Mapping[str, LearnerSettings] = MappingProxyType({}),
    ) -> None:
        self.settings = settings
        super().__init__(Network(faults, fault_seed, uplink), threads, record)
        self._train_seconds = train_seconds
        if store:
            self._stores[AGGREGATOR] = store
        self._robots = robots
        self._crashes = crashes
        self._models = tuple(models)
        self._tags = tags
        self._restored = restored
        self._own = own

    def names(self) -> list[str]:
        """Return the aggregator and every robot."""
        return [AGGREGATOR, *robot_ids(self._robots)]

    def make(self, name: str) -> tuple[Role, Any, Worker]:
        """Return the aggregator or a robot."""
        if name != AGGREGATOR:
            store = self._stores[name] if self._crashes else None
            index = robot_ids(self._robots).index(name)
            robot = RobotMachine(name, self.settings.trusted, self._tags.get(name, ()))
            return Role.ROBOT, robot, self.make_robot_worker(name, index, store)
        worker = self.make_aggregator_worker(self._stores[AGGREGATOR])
        run, select = self.settings.aggregator.run, self.settings.aggregator.select
        restored = worker.restore() if run.resume else None
        if self._restored:
            self._restored(restored[0]['round'] if restored else 0)
        machine = AggregatorMachine(run, worker.info, worker.initial_global(), restored, select)
        return Role.AGGREGATOR, machine, worker

    def job_seconds(self, name: str, job: Any) -> float:
        """Return how long robots train and the aggregator measures."""
        if isinstance(job, TrainRound):
            return self._train_seconds(name, job.round)
        return _EVALUATE_SECONDS if isinstance(job, Evaluate) else 0.0

    def crash(self, name: str) -> None:
        """Kill a host; what it had saved survives."""
        super().crash(name)
        if name == AGGREGATOR:
            self.network.forget_latched()

    def warn(self, name: str, key: str, text: str) -> None:
        """A participant warns; what a robot tells its aggregator too is told by that one alone."""
        if name == AGGREGATOR or key not in ('prepare', 'training'):
            super().warn(name, key, text)

    def over(self) -> bool:
        """Return whether the aggregator says so."""
        return self.hosts[AGGREGATOR].ended

    def drop_refused(self) -> list[str]:
        """Return why robots cannot take part, if none can."""
        all_refused = set(self.robot_states().values()) == {RobotState.REFUSED.name}
        return [self.robot(i).reason for i in self.robot_states()] if all_refused else []

    @property
    def aggregator(self) -> AggregatorMachine:
        """The machine of the aggregator."""
        return self.machine(AGGREGATOR)

    def robot(self, robot_id: str) -> RobotMachine:
        """Return the machine of a robot."""
        return self.machine(robot_id)

    def robot_states(self) -> dict[str, str]:
        """Return the state of every robot."""
        return {i: self.robot(i).state.name for i in self.hosts if i != AGGREGATOR}

    def make_aggregator_worker(self, store: Store) -> AggregatorWorker:
        """Return the aggregator's worker."""
        settings = self.settings
        return AggregatorWorker(settings.aggregator, settings.method_name, settings.method, store)

    def make_robot_worker(self, robot_id: str, index: int, store: Store | None) -> Worker:
        """Return the worker of the robot that has part `index` of the private samples."""
        learner = self._own.get(robot_id, self.settings.learner)
        robot = dataclasses.replace(learner.robot, trusted=self.settings.trusted)
        own = self.own_settings(learner, robot_id, robot_ids(self._robots), self._models)
        return RobotWorker(robot_id, dataclasses.replace(own, robot=robot), store)
