"""Heads and a tail in memory: the same machines, codec and packets as the nodes, virtual time.

Packets go over emulated links, everything else arrives at once. Work takes the time one says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.events import PictureArrived, SwitchRequested
from iot_fl_ros.core.machine import Worker
from iot_fl_ros.core.messages.delivery import Role
from iot_fl_ros.core.messages.feature_packet import FeaturePacket, FramePackets, read_packet
from iot_fl_ros.core.messages.fields import SourceHeader
from iot_fl_ros.core.messages.split import Inference
from iot_fl_ros.link.link import LOST, Link, LinkSettings
from iot_fl_ros.memory.fleet import MemoryFleet
from iot_fl_ros.memory.network import Faults, Network
from iot_fl_ros.split.head import HeadMachine
from iot_fl_ros.split.jobs import AnswerSettings, HeadWorker, TailWorker
from iot_fl_ros.split.tail import TailMachine

Picture = NDArray[np.uint8]
_START = 1.0  # s; a stamp of zero would mean no time at all in ROS
_TAIL, _READER = 'edge', 'reader'


@dataclass(frozen=True)
class WorkTimes:
    """Durations of work in virtual time, s."""

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


class LinkNetwork(Network):
    """A network whose feature packets go over an emulated link for each robot."""

    def __init__(self, settings: LinkSettings) -> None:
        super().__init__(Faults(min_delay=0.0, max_delay=0.0))
        self._settings = settings
        self._links: dict[str, Link] = {}
        self.sent, self.arrived = Sent(), Sent()

    def publish_packets(self, packets: FramePackets) -> int:
        """Send the packets of a frame over the link of its robot; return their bytes."""
        robot_id, raws = packets.robot_id, packets.to_bytes()
        link = self._links.setdefault(robot_id, Link(self._settings, robot_id))
        arrivals = link.send(self.clock.now, np.array([len(raw) for raw in raws]))
        for raw, arrival in zip(raws, arrivals, strict=True):
            self.sent.add(len(raw))
            if arrival < LOST:
                self.arrived.add(len(raw))
                for name in self.readers_of(FeaturePacket):
                    self._send(name, read_packet(raw), len(raw), float(arrival))
        return sum(map(len, raws))


class SplitSimulation(MemoryFleet):
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
        network = LinkNetwork(link)
        super().__init__(network)
        self.sent, self.arrived = network.sent, network.arrived
        self._times = times or WorkTimes()
        self._robots = tuple(robots)
        self._deadline = deadline
        self._quiet_time = quiet_time
        self._tail_worker = tail_worker or TailWorker(bundle_dir, AnswerSettings())
        self._head_worker = head_worker or HeadWorker(bundle_dir, lambda image: image)
        self.answers: list[Inference] = []
        self.start_all()
        network.join(_READER, (), lambda message, size: self.answers.append(message))
        network.subscribe(_READER, Inference, self._robots)
        for robot_id in self._robots:
            request = SwitchRequested(bundle, bits, lambda *outcome: None)
            self.hosts[robot_id].tell(request)
        self._run_until(_START)

    def names(self) -> list[str]:
        """Return the edge and every robot."""
        return [_TAIL, *self._robots]

    def make(self, name: str) -> tuple[Role, Any, Worker]:
        """Return the tail or the head of a robot."""
        if name == _TAIL:
            most = len(self._robots)
            return Role.TAIL, TailMachine(_TAIL, most, most, self._quiet_time), self._tail_worker
        head = HeadMachine(name, self._robots.index(name), self._deadline, 1.0)
        return Role.HEAD, head, self._head_worker

    def job_seconds(self, name: str, job: Any) -> float:
        """Return how long heads and the tail work on anything."""
        return self._times.tail if name == _TAIL else self._times.head

    @property
    def tail(self) -> TailMachine:
        """The edge's machine, for its statistics and refusals."""
        return self.machine(_TAIL)

    @property
    def now(self) -> float:
        """Virtual time, s."""
        return self.clock.now

    def picture(self, at: float, header: SourceHeader, image: Any) -> None:
        """Let time pass until `at`, s, then show every robot one picture."""
        self._run_until(at)
        for robot_id in self._robots:
            self.hosts[robot_id].tell(PictureArrived(header, image))

    def finish(self) -> None:
        """Let time pass until every answer is out."""
        self._run_until(self.now + self._deadline)

    def _run_until(self, end: float) -> None:
        self.clock.run(end, lambda: False)
