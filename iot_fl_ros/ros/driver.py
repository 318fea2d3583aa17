"""The ROS driver of a state machine: messages, timers and jobs in; effects out.

Everything that touches the machine happens on the executor's thread; jobs run on the worker and
come back as tasks of the executor (guard conditions do not work with the EventsExecutor).
"""

from __future__ import annotations

import collections
import time
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rclpy.node import Node
from rclpy.timer import Timer
from typing_extensions import assert_never

from iot_fl_ros.core.effects import (
    Answered,
    CancelTimer,
    Effect,
    PreparePublisher,
    Publish,
    PublishPackets,
    Record,
    RunEnded,
    SaveCheckpoint,
    Say,
    SetTimer,
    StartJob,
    Subscribe,
    Warn,
)
from iot_fl_ros.core.events import CheckpointSaved, Event, JobDone, JobFailed, Leave, TimerFired
from iot_fl_ros.core.machine import Machine, Worker
from iot_fl_ros.core.messages.delivery import Role
from iot_fl_ros.core.messages.split import Inference
from iot_fl_ros.ros.connections import Connections, EmulatedArrivals
from iot_fl_ros.ros.worker import WorkerThread

_WARN_PERIOD = 10.0
# After which a timer fires again whose event was not taken, at least, s.
_AFTER_FAULT = 1.0
_LOOK_AGAIN = 0.01


class MachineDriver:
    """Connects one machine to one node. `start` begins, `stop` undoes everything `start` made.

    record: takes the rows of events.jsonl. ended: called at RunEnded with its problem. answered:
    takes answers of the edge. sent: told the size of each message that goes out. background: for
    jobs that others must not wait for; none = they do. The other arguments are those of
    `Connections`. faults: exceptions that came out of machine or effects, which is never right.
    """

    def __init__(
        self,
        node: Node,
        role: Role,
        machine: Machine,
        worker: Worker,
        thread: WorkerThread,
        *,
        namespace: str,
        lease: float = 5.0,
        chunk_count: int = 1,
        record: Callable[[Mapping[str, Any]], None] | None = None,
        ended: Callable[[str], None] | None = None,
        answered: Callable[[Inference], None] | None = None,
        sent: Callable[[int], None] | None = None,
        deadline: float | None = None,
        background: WorkerThread | None = None,
        emulated: EmulatedArrivals | None = None,
    ) -> None:
        self._node = node
        self._clock = node.get_clock()
        self._machine = machine
        self._worker = worker
        self._thread = thread
        self._background = background or thread
        self._record = record
        self._ended = ended
        self._answered = answered
        self._sent = sent
        self._connections = Connections(
            node, role, self.tell, namespace=namespace, lease=lease, chunk_count=chunk_count,
            deadline=deadline, emulated=emulated,
        )  # fmt: skip
        self.faults = 0
        self._running = self._saving = False
        self._timers: dict[str, Timer] = {}
        self._warned: dict[str, float] = {}
        self._results: collections.deque[Event] = collections.deque()

    def start(self) -> None:
        """Create publishers and subscriptions and start the machine; the node has an executor."""
        assert self._node.executor is not None
        self._executor = self._node.executor
        self._connections.open_publishers()
        self._running = True
        # The machine first: a message may arrive as soon as there is a subscription.
        for effect in self._machine.start(self.now()):
            self._do_one(effect)  # what fails here is an activation that fails
        self._connections.open_subscriptions()

    def leave(self, patience: float) -> float:
        """Say goodbye, and stop when it was heard: else others take it for lost, after a lease.

        patience: for readers, s: who was killed never answers. Return how much of it is left.
        """
        end = time.monotonic() + patience
        self.tell(Leave())
        try:
            # A context that was shut down sends nothing any more.
            while self._node.context.ok() and not self._connections.all_read():
                if time.monotonic() >= end:
                    break
                time.sleep(_LOOK_AGAIN)
        finally:
            self.stop()
        return max(0.0, end - time.monotonic())

    def stop(self) -> None:
        """Stop the machine; jobs that are still running are forgotten."""
        self._running = False
        for timer in self._timers.values():
            self._node.destroy_timer(timer)
        self._timers.clear()
        self._connections.close()

    def now(self) -> float:
        """Return the node's time, s."""
        return self._clock.now().nanoseconds * 1e-9

    def tell(self, event: Event) -> None:
        """Give the machine an event and do what it wants; a fault of ours costs that event alone.

        In a callback of an executor an exception would end the process, with some of them by a
        segmentation fault, and nobody would know why.
        """
        if not self._running:
            return
        try:
            effects = self._machine.handle(event, self.now())
        except Exception:
            self._fault(f'{type(event).__name__} was not taken')
            self._after_fault(event)
            return
        self._do(effects)

    def _after_fault(self, event: Event) -> None:
        """Let the machine go on: what beats goes on beating, and a result is one that failed.

        A machine that does not take that either waits for ever for what has come: it is over.
        """
        match event:
            case TimerFired(name) if name in self._timers:
                self._set_timer(name, max(_AFTER_FAULT, self._timers[name].timer_period_ns * 1e-9))
            case JobDone(job):
                self.tell(JobFailed(job, 'its result was not taken: a fault of this package'))
            case JobFailed() | CheckpointSaved():
                if self._ended:
                    self._ended('a fault of this package ended it, see the log')

    def save_model(self, path: Path, done: Callable[[bool, str], None]) -> None:
        """Write the worker's model between two jobs; tell `done` where it is, or why it is not."""
        if self._saving:
            done(False, 'a model is being saved already')
            return

        def save() -> None:
            try:
                self._worker.save_model(path)
            except Exception as error:  # whoever asked is told
                answer = partial(done, False, str(error) or type(error).__name__)
            else:
                answer = partial(done, True, str(path))
            self._saving = False
            self._executor.create_task(answer)  # also if the machine has been stopped since

        self._saving = True
        self._thread.submit(save)

    def _do(self, effects: list[Effect]) -> None:
        for effect in effects:
            try:
                self._do_one(effect)
            except Exception:
                self._fault(f'{type(effect).__name__} was not done')

    def _fault(self, text: str) -> None:
        self.faults += 1
        trace = traceback.format_exc()
        last = trace.strip().splitlines()[-1]
        self._warn(f'fault {text} {last}', f'{text}, a fault of this package: {last}\n{trace}')

    def _do_one(self, effect: Effect) -> None:
        match effect:
            case Publish(message, to):
                self._count(self._connections.publish(message, to))
            case PublishPackets(packets):
                self._count(self._connections.publish_packets(packets))
            case Subscribe(kind, robot_ids):
                self._connections.subscribe_to_robots(kind, robot_ids)
            case PreparePublisher(kind, robot_ids):
                for robot_id in robot_ids:
                    self._connections.publisher_to(kind, robot_id)
            case StartJob(job, background):
                thread = self._background if background else self._thread
                thread.submit(partial(self._run_job, job))
            case SaveCheckpoint():
                self._save(effect)
            case SetTimer(name, delay):
                self._set_timer(name, delay)
            case CancelTimer(name):
                if name in self._timers:
                    self._timers[name].cancel()
            case Warn(key, text):
                self._warn(key, text)
            case Record(row):
                self._keep(row)
            case Say(text):
                self._node.get_logger().info(text)
            case Answered(answer):
                if self._answered:
                    self._answered(answer)
            case RunEnded(problem):
                if self._ended:
                    self._ended(problem)
            case _:
                assert_never(effect)

    def _keep(self, row: Mapping[str, Any]) -> None:
        if not self._record:
            return
        try:
            self._record(row)
        except OSError as error:  # a full disk must not end the run
            self._warn('rows', f'rows of the run are lost: {error}')

    def _count(self, size: int) -> None:
        if self._sent:
            self._sent(size)

    def _run_job(self, job: Any) -> None:
        try:
            result: Event = JobDone(job, self._worker.run(job))
        except Exception as error:  # a job's failure is news for the machine, not the end of it
            result = JobFailed(job, f'{type(error).__name__}: {error}')
        self._give_back(result)

    def _save(self, effect: SaveCheckpoint) -> None:
        """Answer by an event later, in any case, as the in-memory driver does."""
        if self._worker.keeps:
            self._thread.submit(partial(self._write, effect))
        else:
            self._give_back(CheckpointSaved(effect.round))

    def _write(self, effect: SaveCheckpoint) -> None:
        try:
            self._worker.save(effect)
            result: Event = CheckpointSaved(effect.round)
        except Exception as error:  # as above: a full disk must not end the run
            result = JobFailed(effect, f'{type(error).__name__}: {error}')
        self._give_back(result)

    def _give_back(self, event: Event) -> None:
        self._results.append(event)
        if self._running:
            self._executor.create_task(self._take_results)

    def _take_results(self) -> None:
        while self._results:
            self.tell(self._results.popleft())

    def _set_timer(self, name: str, delay: float) -> None:
        if name in self._timers:
            timer = self._timers[name]
            timer.timer_period_ns = max(1, int(delay * 1e9))
            timer.reset()
            return
        self._timers[name] = self._node.create_timer(
            max(1e-9, delay), lambda: self._timer_fired(name)
        )

    def _timer_fired(self, name: str) -> None:
        self._timers[name].cancel()
        self.tell(TimerFired(name))

    def _warn(self, key: str, text: str) -> None:
        now = time.monotonic()  # not the node's time, which may be set back
        if now - self._warned.get(key, -_WARN_PERIOD) < _WARN_PERIOD:
            return
        if len(self._warned) > 1_000:
            self._warned.clear()
        self._warned[key] = now
        self._node.get_logger().warning(text)
