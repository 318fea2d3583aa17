"""The base of every fleet in one process: a clock, a network, hosts that crash and come back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

from iot_fl_ros.core.errors import IotFlError
from iot_fl_ros.core.machine import Worker
from iot_fl_ros.core.messages.delivery import Role
from iot_fl_ros.core.store import MemoryStore, Store
from iot_fl_ros.federation.settings import LearnerSettings
from iot_fl_ros.memory.host import Host
from iot_fl_ros.memory.network import Network
from iot_fl_ros.mesh.settings import PeerSettings
from iot_fl_ros.token.settings import TramNodeSettings

Record = Callable[[Mapping[str, Any]], None]
OwnSettings = TypeVar('OwnSettings', LearnerSettings, PeerSettings, TramNodeSettings)
_CHECK_PERIOD = 60.0  # virtual s
_MOST_WARNINGS = 1_000


class MemoryFleet:
    """Runs participants in virtual time; subclasses say how one is made and when all is over.

    threads: jobs that compute at a time. record: told every row.
    """

    def __init__(self, network: Network, threads: int = 1, record: Record | None = None) -> None:
        self.network, self.clock = network, network.clock
        self.hosts: dict[str, Host] = {}
        self.rows: list[Mapping[str, Any]] = []
        self.record = record
        self.told: Callable[[str, str], None] | None = None
        self._warned: set[tuple[str, str]] = set()
        self._stores: defaultdict[str, Store] = defaultdict(MemoryStore)
        self.pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def names(self) -> Iterable[str]:
        """Return the names of all participants, in the order in which they start."""
        raise NotImplementedError

    def make(self, name: str) -> tuple[Role, Any, Worker]:
        """Return role, machine and worker of a participant; it goes on from what it kept."""
        raise NotImplementedError

    def job_seconds(self, name: str, job: Any) -> float:
        """Return the virtual duration of a job of a participant, s."""
        raise NotImplementedError

    def over(self) -> bool:
        """Return whether the run has ended."""
        raise NotImplementedError

    def drop_refused(self) -> Iterable[str]:
        """Return why the run cannot go on; the end does not wait for who is refused."""
        raise NotImplementedError

    def start_all(self) -> None:
        """Start every participant."""
        for name in self.names():
            self.start(name)

    def start(self, name: str) -> None:
        """Start a participant, from its checkpoint if it has run before."""
        role, machine, worker = self.make(name)
        self.hosts[name] = Host(name, role, machine, worker, self)
        self.hosts[name].start()

    def crash(self, name: str) -> None:
        """Kill a participant; what it had saved survives."""
        self.hosts[name].stop()

    def machine(self, name: str) -> Any:
        """Return the machine of a participant."""
        return self.hosts[name].machine

    def result(self) -> list[Any]:
        """Return the rows of the run."""
        return self.rows

    def run(self, until: float = 1e9) -> list[Any]:
        """Run until all is over; return the rows.

        IotFlError if robots cannot take part, or virtual time `until` comes first.
        """
        while not self.clock.run(self.clock.now + _CHECK_PERIOD, self.over):
            reasons = sorted(set(self.drop_refused()))
            if reasons:
                raise IotFlError(f'robots cannot take part: {"; ".join(reasons)}')
            if self.clock.now >= until:
                raise IotFlError(f'not over by virtual second {until:g}: {self.describe()}')
        if self.pool:
            self.pool.shutdown()
        return self.result()

    def describe(self) -> str:
        """Return what each participant does, for the error of a run that does not end."""
        lines = []
        for name, host in sorted(self.hosts.items()):
            state = getattr(host.machine, 'state', None)
            last = f' ({host.warnings[-1]})' if host.warnings else ''
            lines.append(f'{name} {getattr(state, "name", state)}{last}')
        return '; '.join(lines)

    def keep(self, name: str, row: Mapping[str, Any]) -> None:
        """Take a row of a participant."""
        self.rows.append(row)
        if self.record:
            self.record(row)

    def say(self, name: str, text: str) -> None:
        """A participant says how things go; here nobody listens."""

    def warn(self, name: str, key: str, text: str) -> None:
        """A participant warns; `told` hears each warning of a participant once."""
        if self.told and (name, key) not in self._warned and len(self._warned) < _MOST_WARNINGS:
            self._warned.add((name, key))
            self.told(name, text)

    def own_settings(
        self, settings: OwnSettings, robot_id: str, ids: Sequence[str], models: Sequence[str] = ()
    ) -> OwnSettings:
        """Return the settings of a robot: its part of the private samples, its model in turn."""
        index = ids.index(robot_id)
        data = replace(settings.data, partition_index=index, partition_count=len(ids))
        data = data.of_robot(robot_id)
        name = models[index % len(models)] if models else settings.model.name
        return replace(settings, data=data, model=replace(settings.model, name=name))
