"""A whole Tram-FL fleet in one process: the same machines and workers as in the nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from iot_fl_ros.core.machine import Worker
from iot_fl_ros.core.messages.delivery import Role
from iot_fl_ros.core.messages.token import TramState
from iot_fl_ros.core.store import Store
from iot_fl_ros.memory.fleet import MemoryFleet
from iot_fl_ros.memory.network import Faults, Network
from iot_fl_ros.token.jobs import Visit
from iot_fl_ros.token.node_machine import NodeMachine
from iot_fl_ros.token.settings import TramNodeSettings
from iot_fl_ros.token.worker import TramWorker


class TramSimulation(MemoryFleet):
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
        super().__init__(Network(faults, fault_seed), record=record)
        self._batch_seconds = batch_seconds
        self._forgetful = forgetful
        self._make_worker = worker or self._torch_worker

    def names(self) -> list[str]:
        """Return every robot."""
        return self.settings.tram.ids

    def make(self, name: str) -> tuple[Role, Any, Worker]:
        """Return a robot."""
        worker = self._make_worker(name, lambda kept: self._store(name, kept))
        return Role.TRAM, NodeMachine(name, self.settings), worker

    def job_seconds(self, name: str, job: Any) -> float:
        """Return how long a visit lasts."""
        return job.batches * self._batch_seconds(name) if isinstance(job, Visit) else 0.0

    def drop_refused(self) -> list[str]:
        """Return why robots cannot take part, if one cannot."""
        return [m.reason for m in self.machines.values() if m.state == TramState.REFUSED]

    def over(self) -> bool:
        """Return whether every robot that lives is done, and none refused."""
        ended = all(host.ended for host in self.hosts.values() if host.alive)
        return ended and not self.drop_refused()

    @property
    def machines(self) -> dict[str, NodeMachine]:
        """The machines of the robots that live."""
        return {name: self.machine(name) for name, host in self.hosts.items() if host.alive}

    def totals(self) -> dict[str, float]:
        """Return bytes and joules of all robots that live, so far."""
        machines = self.machines.values()
        joules = [machine.joules(self.clock.now) for machine in machines]
        sent = sum(machine.endpoint.bytes_sent for machine in machines)
        received = sum(machine.endpoint.bytes_received for machine in machines)
        return {
            'bytes_sent': sent,
            'bytes_received': received,
            'bytes': sent + received,
            'joules': sum(one.total for one in joules),
            'joules_active': sum(one.active for one in joules),
        }

    def _store(self, robot_id: str, name: str) -> Store | None:
        return None if self._forgetful else self._stores[f'{robot_id}/{name}']

    def _torch_worker(self, robot_id: str, stores: Callable[[str], Store | None]) -> Worker:
        robots = self.settings.tram.ids
        own = self.own_settings(self.settings, robot_id, robots)
        return TramWorker(robot_id, own, stores)
