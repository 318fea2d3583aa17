"""A whole Tram-FL fleet in one process: the same machines and workers as in the nodes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

from iot_fl_ros.core.effects import SaveCheckpoint
from iot_fl_ros.core.errors import IotFlError
from iot_fl_ros.core.messages import ChunkRequest
from iot_fl_ros.core.seeds import generator
from iot_fl_ros.core.store import MemoryStore, Store
from iot_fl_ros.core.tram_messages import (
    TokenClaim,
    TokenOffer,
    TokenState,
    TokenVote,
    TramState,
    TramStatus,
)
from iot_fl_ros.fleet.clock import VirtualClock
from iot_fl_ros.fleet.host import Host, Worker
from iot_fl_ros.fleet.network import Faults, Network
from iot_fl_ros.learning.tram.jobs import TramWorker, Visit
from iot_fl_ros.learning.tram.machine import TramMachine
from iot_fl_ros.learning.tram.settings import TramNodeSettings

TOPICS = (TramStatus, TokenOffer, TokenClaim, TokenVote, ChunkRequest)
_CHECK_PERIOD = 60.0  # virtual s


class VirtualTimeWorker:
    """A worker whose trainings take as long as they do in virtual time, not in real time."""

    def __init__(self, worker: Worker, batch_seconds: float) -> None:
        self._worker = worker
        self._batch_seconds = batch_seconds

    def run(self, job: Any) -> Any:
        """Do `job`."""
        result = self._worker.run(job)
        if isinstance(job, Visit):
            return dataclasses.replace(result, seconds=job.batches * self._batch_seconds)
        return result

    def save(self, effect: SaveCheckpoint) -> None:
        """Write a checkpoint."""
        self._worker.save(effect)


class TramSimulation:
    """Runs one Tram-FL run in virtual time. Robots can be crashed and started again.

    batch_seconds: virtual duration of a mini-batch at a robot. forgetful: robots keep nothing
    over a crash. worker: makes the worker of a robot from its stores; none = with torch.
    record: told every row of every robot.
    """

    def __init__(
        self,
        settings: TramNodeSettings,
        *,
        faults: Faults | None = None,
        fault_seed: int = 0,
        batch_seconds: Callable[[str], float] = lambda robot_id: 0.1,
        record: Callable[[Mapping[str, Any]], None] | None = None,
        forgetful: bool = False,
        worker: Callable[[str, Callable[[str], Store | None]], Worker] | None = None,
    ) -> None:
        self.settings = settings
        self.clock = VirtualClock()
        self.network = Network(self.clock, faults or Faults(), generator(fault_seed, 'network'))
        self.hosts: dict[str, Host] = {}
        self.rows: list[Mapping[str, Any]] = []
        self._batch_seconds = batch_seconds
        self.record = record
        self._forgetful = forgetful
        self._make_worker = worker or self._torch_worker
        self._stores: dict[tuple[str, str], MemoryStore] = {}

    def start_all(self) -> None:
        """Start every robot."""
        for robot_id in self.settings.tram.ids:
            self.start(robot_id)

    def start(self, robot_id: str) -> None:
        """Start a robot, from what it kept if it has run before."""
        machine = TramMachine(robot_id, self.settings)
        self.hosts[robot_id] = Host(
            robot_id,
            machine,
            self._make_worker(robot_id, lambda name: self._store(robot_id, name)),
            self.clock,
            self.network,
            TOPICS,
            job_seconds=lambda job: (
                job.batches * self._batch_seconds(robot_id) if isinstance(job, Visit) else 0.0
            ),
            sent=machine.note_sent,
            record=self._keep,
        )
        self.hosts[robot_id].start()

    def crash(self, robot_id: str) -> None:
        """Kill a robot; what it had saved survives."""
        self.hosts[robot_id].stop()

    def run(self, until: float = 1e9) -> None:
        """Run until all living robots are done; IotFlError if virtual time `until` comes first."""
        while not self.clock.run(self.clock.now + _CHECK_PERIOD, self.over):
            refused = {m.reason for m in self.machines.values() if m.state == TramState.REFUSED}
            if refused:
                raise IotFlError(f'robots cannot take part: {"; ".join(sorted(refused))}')
            if self.clock.now >= until:
                raise IotFlError(
                    f'the run has not ended by virtual second {until:g}: '
                    f'{ {robot: m.state.name for robot, m in self.machines.items()} }'
                )

    def over(self) -> bool:
        """Return whether every robot that lives is done."""
        return all(host.ended for host in self.hosts.values() if host.alive)

    @property
    def machines(self) -> dict[str, TramMachine]:
        """The machines of the robots that live."""
        found = {}
        for robot_id, host in self.hosts.items():
            if host.alive:
                assert isinstance(host.machine, TramMachine)
                found[robot_id] = host.machine
        return found

    def holders(self, token_id: int) -> list[str]:
        """Return the robots that believe to hold a token."""
        return [
            robot_id
            for robot_id, machine in self.machines.items()
            if machine.seats and machine.seats[token_id].state == TokenState.HELD
        ]

    def totals(self) -> dict[str, float]:
        """Return bytes and joules of all robots that live, so far."""
        machines = self.machines.values()
        joules = [machine.joules(self.clock.now) for machine in machines]
        sent = sum(machine.bytes_sent for machine in machines)
        received = sum(machine.bytes_received for machine in machines)
        return {
            'bytes_sent': sent,
            'bytes_received': received,
            'bytes': sent + received,
            'joules': sum(one.total for one in joules),
            'joules_active': sum(one.active for one in joules),
        }

    def _store(self, robot_id: str, name: str) -> Store | None:
        if self._forgetful:
            return None
        return self._stores.setdefault((robot_id, name), MemoryStore())

    def _torch_worker(self, robot_id: str, stores: Callable[[str], Store | None]) -> Worker:
        robots = self.settings.tram.ids
        data = dataclasses.replace(
            self.settings.data,
            partition_index=robots.index(robot_id),
            partition_count=len(robots),
        )
        worker = TramWorker(robot_id, dataclasses.replace(self.settings, data=data), stores)
        return VirtualTimeWorker(worker, self._batch_seconds(robot_id))

    def _keep(self, row: Mapping[str, Any]) -> None:
        self.rows.append(row)
        if self.record:
            self.record(row)


def best_accuracy(rows: list[Mapping[str, Any]]) -> float:
    """Return the best test accuracy of any visit, NaN if none was tested."""
    known = [row['accuracy'] for row in rows if row['kind'] == 'visit']
    return max((value for value in known if not math.isnan(value)), default=math.nan)
