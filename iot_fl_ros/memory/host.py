"""The in-memory driver of a state machine: virtual timers, inline jobs, a simulated network."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any

from typing_extensions import assert_never

from iot_fl_ros.core import effects as do
from iot_fl_ros.core import events
from iot_fl_ros.core.effects import Effect
from iot_fl_ros.core.machine import Worker
from iot_fl_ros.core.messages import endpoints_of
from iot_fl_ros.core.messages.delivery import Role
from iot_fl_ros.core.messages.feature_packet import FeaturePacket
from iot_fl_ros.core.messages.fields import WireMessage

if TYPE_CHECKING:
    from iot_fl_ros.memory.fleet import MemoryFleet

_KEPT_WARNINGS = 20


class Host:
    """One participant: its machine and worker, from `start` to `stop` (a crash, or the end).

    The fleet says how long a job lasts in virtual time; a result that tells its seconds tells
    those. In the pool of the fleet jobs compute while virtual time goes on, so that robots train
    side by side; their results arrive at the same virtual time as without. Checkpoints are written
    when their time has come.
    """

    def __init__(
        self, name: str, role: Role, machine: Any, worker: Worker, fleet: MemoryFleet
    ) -> None:
        self.name = name
        self.machine = machine
        self.ended = False
        self.problem = ''
        self.alive = False
        self.warnings: list[str] = []
        self._role = role
        self._worker = worker
        self._fleet = fleet
        self._network, self._clock, self._pool = fleet.network, fleet.clock, fleet.pool
        self._timers: dict[str, int] = {}
        self._free_at = 0.0

    def start(self) -> None:
        """Come to life."""
        self.alive = True
        self._do(self.machine.start(self._clock.now))
        self._network.join(self.name, endpoints_of(self._role).subscribes, self._deliver)

    def stop(self) -> None:
        """Die: timers, jobs and messages on their way are lost."""
        self.alive = False
        self._network.leave(self.name)

    def tell(self, event: events.Event) -> None:
        """Give the machine an event, if it is alive."""
        if self.alive:
            self._do(self.machine.handle(event, self._clock.now))

    def _deliver(self, message: WireMessage | FeaturePacket, size: int) -> None:
        self.tell(events.MessageArrived(message, size))

    def _do(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case do.Publish(message, to):
                    self.machine.endpoint.note_sent(self._network.publish(message, to))
                case do.PublishPackets(packets):
                    self.machine.endpoint.note_sent(self._network.publish_packets(packets))
                case do.Subscribe(kind, robot_ids):
                    self._network.subscribe(self.name, kind, robot_ids)
                case do.PreparePublisher():
                    pass  # here nobody has to be discovered
                case do.StartJob(job, background=True):
                    self._beside(job)
                case do.StartJob(job):
                    self._start_job(job)
                case do.SaveCheckpoint():
                    self._work(effect, partial(self._save, effect))
                case do.SetTimer(name, delay):
                    self._set_timer(name, delay)
                case do.CancelTimer(name):
                    self._timers[name] = self._timers.get(name, 0) + 1
                case do.Record(row):
                    self._record(row)
                case do.Warn(key, text):
                    self._warn(key, text)
                case do.Say(text):
                    self._fleet.say(self.name, text)
                case do.Answered():
                    pass  # here a robot has no other programs
                case do.RunEnded(problem):
                    self.ended, self.problem = True, problem
                case _:
                    assert_never(effect)

    def _job_seconds(self, job: Any) -> float:
        return self._fleet.job_seconds(self.name, job)

    def _record(self, row: Mapping[str, Any]) -> None:
        try:
            self._fleet.keep(self.name, row)
        except OSError as error:  # a full disk must not end the run
            self._warn('rows', f'rows of the run are lost: {error}')

    def _warn(self, key: str, text: str) -> None:
        """Keep the last warnings, for whoever wonders why a run does not go on."""
        self.warnings = [*self.warnings, text][-_KEPT_WARNINGS:]
        self._fleet.warn(self.name, key, text)

    def _start_job(self, job: Any) -> None:
        """Let a job compute when the worker is free, and tell its result when its time is over."""
        function: Callable[[], events.Event] = partial(self._run_job, job)
        if self._pool is None:
            self._work(job, function)
            return
        started: list[Future[events.Event]] = []

        def start() -> None:
            assert self._pool is not None
            started.append(self._pool.submit(function))

        if self._free_at > self._clock.now:
            self._clock.at(self._free_at, start)
        else:
            start()
        self._work(job, lambda: started[0].result())

    def _beside(self, job: Any) -> None:
        """Do a job without making others wait."""
        done = self._clock.now + self._job_seconds(job)
        self._clock.at(done, lambda: self.tell(self._run_job(job)) if self.alive else None)

    def _work(self, job: Any, function: Callable[[], events.Event]) -> None:
        """Do a job when its time is over, one after the other as a worker thread would."""
        self._free_at = max(self._free_at, self._clock.now) + self._job_seconds(job)
        self._clock.at(self._free_at, lambda: self.tell(function()) if self.alive else None)

    def _run_job(self, job: Any) -> events.Event:
        try:
            result = self._worker.run(job)
            if hasattr(result, 'seconds'):
                result = dataclasses.replace(result, seconds=self._job_seconds(job))
            return events.JobDone(job, result)
        except Exception as error:  # as in the ROS driver: news for the machine
            return events.JobFailed(job, f'{type(error).__name__}: {error}')

    def _save(self, effect: do.SaveCheckpoint) -> events.Event:
        try:
            self._worker.save(effect)
        except Exception as error:  # as in the ROS driver: a full disk must not end the run
            return events.JobFailed(effect, f'{type(error).__name__}: {error}')
        return events.CheckpointSaved(effect.round)

    def _set_timer(self, name: str, delay: float) -> None:
        version = self._timers.get(name, 0) + 1
        self._timers[name] = version
        self._clock.at(self._clock.now + delay, lambda: self._fire(name, version))

    def _fire(self, name: str, version: int) -> None:
        if self.alive and self._timers.get(name) == version:
            self.tell(events.TimerFired(name))
