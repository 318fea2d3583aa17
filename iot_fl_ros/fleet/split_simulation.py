"""Heads and a tail in memory: the same machines, codec and packets as the nodes, virtual time.

Packets go over emulated links, everything else arrives at once. Work takes the time one says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.effects import (
    CancelTimer,
    Effect,
    Publish,
    PublishPackets,
    SetTimer,
    StartJob,
)
from iot_fl_ros.core.events import (
    Event,
    JobDone,
    JobFailed,
    MessageArrived,
    PictureArrived,
    SwitchRequested,
    TimerFired,
)
from iot_fl_ros.core.feature_packet import read_packet
from iot_fl_ros.core.split_messages import Inference
from iot_fl_ros.core.wire import SourceHeader, WireMessage
from iot_fl_ros.fleet.clock import VirtualClock
from iot_fl_ros.link.link import LOST, Link
from iot_fl_ros.link.settings import LinkSettings
from iot_fl_ros.split.answers import AnswerSettings
from iot_fl_ros.split.head import HeadMachine
from iot_fl_ros.split.jobs import HeadWorker, TailWorker
from iot_fl_ros.split.tail import TailMachine

Picture = NDArray[np.uint8]
_START = 1.0  # s; a stamp of zero would mean no time at all in ROS
_NANO = 1_000_000_000


@dataclass(frozen=True)
class WorkTimes:
    """How long work takes in virtual time, s."""

    head: float = 0.005
    tail: float = 0.005


@dataclass
class Sent:
    """Packets and their bytes, as serialized."""

    packets: int = 0
    size: int = 0

    def add(self, size: int) -> None:
        """Count a packet."""
        self.packets += 1
        self.size += size


class Worker(Protocol):
    """Who does jobs."""

    def run(self, job: Any) -> Any:
        """Do a job."""


class SplitSimulation:
    """Robots with a head each and one edge. The same seed of the link gives the same answers.

    head_worker, tail_worker: instead of those of the nodes. sent, arrived: feature packets.
    """

    def __init__(
        self,
        bundle_dir: Path,
        robots: Sequence[str],
        bundle: str,
        link: LinkSettings,
        *,
        bits: int = 0,
        deadline: float = 0.2,
        quiet_time: float = 0.0,
        times: WorkTimes | None = None,
        head_worker: Worker | None = None,
        tail_worker: Worker | None = None,
    ) -> None:
        self._clock = VirtualClock()
        self._times = times or WorkTimes()
        self._deadline = deadline
        self._tail = _Party(TailMachine('edge', len(robots), len(robots), quiet_time),
                            tail_worker or TailWorker(bundle_dir, AnswerSettings()))  # fmt: skip
        self._heads = {
            robot_id: _Party(HeadMachine(robot_id, number, deadline, 1.0),
                             head_worker or HeadWorker(bundle_dir, lambda image: image))
            for number, robot_id in enumerate(robots)
        }  # fmt: skip
        self._links = {robot_id: Link(link, robot_id) for robot_id in robots}
        self.answers: list[Inference] = []
        self.sent, self.arrived = Sent(), Sent()
        for head in self._heads.values():
            self._tell(head, SwitchRequested(bundle, bits, lambda *outcome: None))
        self._run_until(_START)

    @property
    def tail(self) -> TailMachine:
        """The edge's machine, for its statistics and counters."""
        machine = self._tail.machine
        assert isinstance(machine, TailMachine)
        return machine

    def show(self, pictures: Sequence[Picture], rate: float) -> list[Inference]:
        """Show every picture to every robot, `rate` a second; return the answers to them."""
        before = len(self.answers)
        start = self._clock.now
        for number, picture in enumerate(pictures):
            at = start + number / rate
            for head in self._heads.values():
                event = PictureArrived(SourceHeader(round(at * _NANO), 'camera'), picture)
                self._clock.at(at, partial(self._tell, head, event))
        self._run_until(start + len(pictures) / rate + self._deadline)
        return self.answers[before:]

    @property
    def now(self) -> float:
        """Virtual time, s."""
        return self._clock.now

    def picture(self, at: float, header: SourceHeader, image: Any) -> None:
        """Let time pass until `at`, s, then show every robot one picture."""
        self._run_until(at)
        for head in self._heads.values():
            self._tell(head, PictureArrived(header, image))

    def finish(self) -> None:
        """Let time pass until every answer is out."""
        self._run_until(self._clock.now + self._deadline)

    def _run_until(self, end: float) -> None:
        self._clock.run(end, lambda: False)

    def _tell(self, party: _Party, event: Event) -> None:
        for effect in party.machine.handle(event, self._clock.now):
            self._do(party, effect)

    def _do(self, party: _Party, effect: Effect) -> None:
        match effect:
            case StartJob(job, background):
                begin = self._clock.now if background else max(self._clock.now, party.free_at)
                end = begin + self._time_of(party)
                if not background:
                    party.free_at = end
                self._clock.at(end, partial(self._finish, party, job))
            case SetTimer(name, delay):
                number = party.timers[name] = party.timers.get(name, 0) + 1
                self._clock.at(self._clock.now + delay, partial(self._fire, party, name, number))
            case CancelTimer(name):
                party.timers[name] = party.timers.get(name, 0) + 1
            case PublishPackets(packets):
                raws = packets.to_bytes()
                link = self._links[packets.robot_id]
                arrivals = link.send(self._clock.now, np.array([len(raw) for raw in raws]))
                for raw, arrival in zip(raws, arrivals, strict=True):
                    self.sent.add(len(raw))
                    if arrival < LOST:
                        self.arrived.add(len(raw))
                        self._clock.at(float(arrival), partial(self._packet, raw))
            case Publish(message):
                self._deliver(party, message)

    def _time_of(self, party: _Party) -> float:
        return self._times.tail if party is self._tail else self._times.head

    def _deliver(self, party: _Party, message: WireMessage) -> None:
        if isinstance(message, Inference):
            self.answers.append(message)
            return
        others = self._heads.values() if party is self._tail else (self._tail,)
        for other in others:
            self._tell(other, MessageArrived(message, 0))

    def _packet(self, raw: bytes) -> None:
        self._tell(self._tail, MessageArrived(read_packet(raw), len(raw)))

    def _finish(self, party: _Party, job: Any) -> None:
        try:
            result = party.worker.run(job)
            if hasattr(result, 'seconds'):  # the machines act on it: it must not be a measured one
                result = replace(result, seconds=self._time_of(party))
            event: Event = JobDone(job, result)
        except Exception as error:  # as in the nodes: a job's failure is news for the machine
            event = JobFailed(job, f'{type(error).__name__}: {error}')
        self._tell(party, event)

    def _fire(self, party: _Party, name: str, number: int) -> None:
        if party.timers.get(name) == number:
            self._tell(party, TimerFired(name))


class _Party:
    """A machine, who does its jobs and until when, and how often each of its timers was set."""

    def __init__(self, machine: Any, worker: Worker) -> None:
        self.machine = machine
        self.worker = worker
        self.timers: dict[str, int] = {}
        self.free_at = 0.0
