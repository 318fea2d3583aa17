"""The network between the participants of an in-memory fleet, with seeded faults.

It keeps the promises of the QoS in use and no others: latched topics hand a newcomer the last
messages of each sender (of tensors the last chunk set); everything else reaches who is there.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from iot_fl_ros.core.messages import Kind
from iot_fl_ros.core.messages.chunks import TensorChunk
from iot_fl_ros.core.messages.feature_packet import FeaturePacket, FramePackets, read_packet
from iot_fl_ros.core.messages.fields import WireMessage, wire_size
from iot_fl_ros.core.seeds import generator

Topics = tuple[Kind, ...]
Deliver = Callable[[Any, int], None]
# (robot id, round) -> bytes/s
Rate = Callable[[str, int], float]


class VirtualClock:
    """Runs scheduled functions in the order of their time, then of their scheduling."""

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()

    def at(self, time: float, function: Callable[[], None]) -> None:
        """Run `function` at virtual `time`, s."""
        heapq.heappush(self._heap, (max(time, self.now), next(self._count), function))

    def run(self, until: float, done: Callable[[], bool]) -> bool:
        """Run until `done()` or virtual time `until`; return whether `done()` came true."""
        while self._heap and self._heap[0][0] <= until:
            self.now, _, function = heapq.heappop(self._heap)
            function()
            if done():
                return True
        self.now = max(self.now, until)
        return done()


@dataclass(frozen=True)
class Faults:
    """Faults of a network: probabilities of loss and repetition, delays in s.

    Random delays reorder messages. `until`: virtual time after which the network is well.
    """

    drop: float = 0.0
    duplicate: float = 0.0
    min_delay: float = 0.001
    max_delay: float = 0.001
    until: float = float('inf')


class RobotUplink:
    """Chunks of updates leave a robot at its rate, in the order in which they were published.

    serial: all robots share one radio channel; else each has its own. Statuses and requests are
    small and leave at once. A chunk that is asked for again while it waits for the radio is not
    sent twice.
    """

    def __init__(self, rate: Rate, *, serial: bool) -> None:
        self._rate = rate
        self._serial = serial
        self._free: dict[str, float] = {}
        self._leaving: dict[tuple[str, int], tuple[bytes, float]] = {}

    def leaves(self, message: WireMessage, size: int, now: float) -> float | None:
        """Return when the message has left its sender, s; None = it is under way."""
        if type(message) is not TensorChunk:
            return now
        chunk = message.sender_id, message.chunk_index
        digest, left = self._leaving.get(chunk, (b'', 0.0))
        if digest == message.digest and left > now:
            return None
        channel = '' if self._serial else message.sender_id
        start = max(now, self._free.get(channel, 0.0))
        self._free[channel] = start + size / self._rate(message.sender_id, message.round)
        self._leaving[chunk] = message.digest, self._free[channel]
        return self._free[channel]


class Network:
    """Carries messages from publishers to subscribers in virtual time, by its `clock`.

    seed: of the faults. uplink: a radio that messages go through first; none = they leave at once.
    """

    def __init__(
        self, faults: Faults | None = None, seed: int = 0, uplink: RobotUplink | None = None
    ) -> None:
        self.clock = VirtualClock()
        self._faults = faults or Faults()
        self._rng = generator(seed, 'network')
        self._uplink = uplink
        self._readers: dict[str, tuple[Topics, Deliver]] = {}
        self._from_robots: dict[str, dict[Kind, tuple[str, ...]]] = {}
        self._latched: dict[Kind, list[Any]] = {}
        self._sides: dict[str, int] = {}

    def join(self, name: str, topics: Topics, deliver: Deliver) -> None:
        """Subscribe `name`; latched messages are on their way to it at once."""
        self._readers[name] = topics, deliver
        for cls in topics:
            for message in self._latched.get(cls, ()):
                self._send(name, message, wire_size(message), self.clock.now)

    def leave(self, name: str) -> None:
        """Unsubscribe `name`; what is on its way to it is lost."""
        self._readers.pop(name, None)
        self._from_robots.pop(name, None)

    def subscribe(self, name: str, kind: Kind, robot_ids: tuple[str, ...]) -> None:
        """Let `name` take messages of `kind` from the namespaces of these robots alone."""
        self._from_robots.setdefault(name, {})[kind] = robot_ids

    def forget_latched(self) -> None:
        """Lose what the aggregator latched, as when its process dies."""
        self._latched.clear()

    def split(self, *sides: Sequence[str]) -> None:
        """Let nothing pass between the participants of different sides; no sides = all is well.

        Who is named on no side is on one with all others who are not.
        """
        self._sides = {name: number for number, side in enumerate(sides) for name in side}

    def publish(self, message: WireMessage, to: str = '') -> int:
        """Send `message` to all subscribers of its topic; return its size on the wire, bytes.

        to: robot in whose namespace the topic is; none = the fleet's.
        """
        size = wire_size(message)
        cls = type(message)
        if cls.DELIVERY.latched:
            self._latch(message)
        side = self._sides.get(message.sender, -1)
        now = self.clock.now
        start = self._uplink.leaves(message, size, now) if self._uplink else now
        if start is None:
            return size
        for name, (topics, _) in list(self._readers.items()):
            if self._sides.get(name, -1) != side:
                continue
            if to in self._from_robots.get(name, {}).get(cls, ()) if to else cls in topics:
                self._send(name, message, size, start)
        return size

    def publish_packets(self, packets: FramePackets) -> int:
        """Send the packets of a frame to all who read feature packets; return their bytes."""
        raws = packets.to_bytes()
        for raw in raws:
            for name in self.readers_of(FeaturePacket):
                self._send(name, read_packet(raw), len(raw), self.clock.now)
        return sum(map(len, raws))

    def readers_of(self, kind: Kind) -> list[str]:
        """Return who has subscribed to the fleet's topic of `kind`."""
        return [name for name, (topics, _) in self._readers.items() if kind in topics]

    def _latch(self, message: Any) -> None:
        """Keep the last messages of each sender, `depth` of them; of tensors the last set."""
        kept = self._latched.setdefault(type(message), [])
        if not message.DELIVERY.whole_set:
            kept.append(message)
            own = [one for one in kept if one.sender == message.sender]
            for old in own[: -message.DELIVERY.depth]:
                kept.remove(old)
            return
        if kept and kept[0].digest != message.digest:
            kept.clear()
        if all(other.chunk_index != message.chunk_index for other in kept):
            kept.append(message)

    def _send(self, name: str, message: Any, size: int, start: float) -> None:
        faults = self._faults
        deliver = self._readers[name][1]
        faulty = self.clock.now < faults.until
        if faulty and self._rng.random() < faults.drop:
            return
        copies = 2 if faulty and self._rng.random() < faults.duplicate else 1
        for _ in range(copies):
            spread = faults.max_delay - faults.min_delay if faulty else 0.0
            delay = faults.min_delay + spread * self._rng.random()
            arrive = partial(self._arrive, name, deliver, message, size)
            self.clock.at(start + delay, arrive)

    def _arrive(self, name: str, deliver: Deliver, message: Any, size: int) -> None:
        reader = self._readers.get(name)
        if reader and reader[1] is deliver:  # else it left, or is another life of that name
            deliver(message, size)
