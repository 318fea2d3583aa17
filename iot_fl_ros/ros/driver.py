"""The ROS driver of a state machine: messages, timers and jobs in; effects out.

Everything that touches the machine happens on the executor's thread; jobs run on the worker and
come back as tasks of the executor (guard conditions do not work with the EventsExecutor).
"""

from __future__ import annotations

import collections
import math
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from rclpy.timer import Timer

from iot_fl_ros.core.effects import (
    CancelTimer,
    Effect,
    Hear,
    Publish,
    PublishPackets,
    Reach,
    Record,
    RunEnded,
    SaveCheckpoint,
    SetTimer,
    StartJob,
    Warn,
)
from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.events import (
    BadMessage,
    CheckpointSaved,
    Event,
    JobDone,
    JobFailed,
    MessageArrived,
    PeersChanged,
    TimerFired,
)
from iot_fl_ros.core.feature_packet import FeaturePacket, FramePackets, read_packet
from iot_fl_ros.core.wire import WireMessage
from iot_fl_ros.ros.convert import ROS_TYPES, decode, encode
from iot_fl_ros.ros.topics import (
    STATUSES,
    USUAL_PACKETS,
    Kind,
    Role,
    packet_qos,
    publisher_qos,
    subscription_qos,
)
from iot_fl_ros.ros.worker import WorkerThread

_WARN_PERIOD = 10.0
_MAX_ROBOT_TOPICS = 256
# (robot id, now, bytes) -> when the packet arrives, s; infinity: never
EmulatedArrivals = Callable[[str, float, int], float]


class Machine(Protocol):
    """What the driver needs of a state machine."""

    def start(self, now: float) -> list[Effect]:
        """Return the first effects."""

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Take an event; return what to do about it."""


class Worker(Protocol):
    """What does the jobs of a machine. `keeps`: it has a place for checkpoints."""

    @property
    def keeps(self) -> bool:
        """Whether `save` does anything."""

    def run(self, job: Any) -> Any:
        """Do a job; return its result."""

    def save(self, effect: SaveCheckpoint) -> None:
        """Write a checkpoint."""


class MachineDriver:
    """Connects one machine to one node. `start` begins, `stop` undoes everything `start` made.

    lease: silence after which the transport shall report a peer, s. record: takes the rows of
    events.jsonl. ended: called at RunEnded. sent: told the size of each
    message that goes out. deadline: after which feature packets are of no use, s. emulated: link
    that feature packets go over before the machine has them. background: for jobs that others
    must not wait for; none = they do.
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
        ended: Callable[[], None] | None = None,
        sent: Callable[[int], None] | None = None,
        deadline: float | None = None,
        background: WorkerThread | None = None,
        emulated: EmulatedArrivals | None = None,
    ) -> None:
        self._node = node
        self._clock = node.get_clock()
        self._role = role
        self._machine = machine
        self._worker = worker
        self._thread = thread
        self._namespace = namespace.rstrip('/')
        self._lease = lease
        self._chunk_count = chunk_count
        self._record = record
        self._ended = ended
        self._sent = sent
        self._deadline = deadline
        self._background = background or thread
        self._emulated = emulated
        self._running = False
        self._timers: dict[str, Timer] = {}
        self._warned: dict[str, float] = {}
        self._publishers: dict[Kind, Publisher] = {}
        self._robot_publishers: dict[tuple[Kind, str], Publisher] = {}
        self._heard: dict[tuple[Kind, str], Subscription] = {}
        self._subscriptions: list[Subscription] = []
        self._results: collections.deque[Event] = collections.deque()
        self._delayed: set[Timer] = set()

    def start(self) -> None:
        """Create publishers and subscriptions and start the machine; the node has an executor."""
        assert self._node.executor is not None
        self._executor = self._node.executor
        for cls in self._role.publishes:
            if cls is FeaturePacket:
                self._create_publisher(cls, packet_qos(USUAL_PACKETS, self._deadline))
            else:
                self._create_publisher(cls, publisher_qos(cls, self._chunk_count))
        self._running = True
        # The machine first: a message may arrive as soon as there is a subscription.
        self._do(self._machine.start(self.now()))
        for cls in self._role.subscribes:
            self._subscriptions.append(self._subscribe(cls, f'{self._namespace}/{cls.TOPIC}'))

    def _subscribe(self, cls: Kind, topic: str) -> Subscription:
        callbacks = SubscriptionEventCallbacks(
            liveliness=self._peers_changed if cls in STATUSES else None
        )
        return self._node.create_subscription(
            ROS_TYPES[cls],
            topic,
            self._callback(cls),
            subscription_qos(cls, self._lease),
            event_callbacks=callbacks,
            qos_overriding_options=_overrides_of(cls, self._role),
            raw=True,
        )

    def _callback(self, cls: Kind) -> Callable[[bytes], None]:
        if issubclass(cls, FeaturePacket):
            return self._packet_arrived  # thousands a second: without detours
        return partial(self._arrived, cls)

    def _create_publisher(self, cls: Kind, qos: QoSProfile) -> None:
        self._publishers[cls] = self._node.create_publisher(
            ROS_TYPES[cls], f'{self._namespace}/{cls.TOPIC}', qos,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )  # fmt: skip

    def stop(self) -> None:
        """Stop the machine; jobs that are still running are forgotten."""
        self._running = False
        for timer in (*self._timers.values(), *self._delayed):
            self._node.destroy_timer(timer)
        self._delayed.clear()
        for subscription in (*self._subscriptions, *self._heard.values()):
            self._node.destroy_subscription(subscription)
        for publisher in (*self._publishers.values(), *self._robot_publishers.values()):
            self._node.destroy_publisher(publisher)
        self._timers.clear()
        self._subscriptions.clear()
        self._heard.clear()
        self._publishers.clear()
        self._robot_publishers.clear()

    def now(self) -> float:
        """Return the node's time, s."""
        return self._clock.now().nanoseconds * 1e-9

    def tell(self, event: Event) -> None:
        """Give the machine an event and do what it wants."""
        if self._running:
            self._do(self._machine.handle(event, self.now()))

    def _arrived(self, cls: type[WireMessage], raw: bytes) -> None:
        try:
            message = decode(cls, raw)
        except MessageError as error:
            self._refused(cls, error, raw)
            return
        self.tell(MessageArrived(message, len(raw)))

    def _packet_arrived(self, raw: bytes) -> None:
        try:
            packet = read_packet(raw)
        except MessageError as error:
            self._refused(FeaturePacket, error, raw)
            return
        event = MessageArrived(packet, len(raw))
        if self._emulated:
            self._emulate(event, packet.robot_id)
        else:
            self.tell(event)

    def _refused(self, cls: Kind, error: MessageError, raw: bytes) -> None:
        self.tell(BadMessage(cls.TOPIC, '(unknown)', error.reason, len(raw)))

    def _emulate(self, event: MessageArrived, robot_id: str) -> None:
        """Let the emulated link lose or delay a packet."""
        assert self._emulated is not None
        now = self.now()
        delay = self._emulated(robot_id, now, event.wire_bytes) - now
        if delay <= 0:
            self.tell(event)
        elif math.isfinite(delay):
            timer = self._node.create_timer(delay, lambda: self._emulated_arrival(timer, event))
            self._delayed.add(timer)

    def _emulated_arrival(self, timer: Timer, event: MessageArrived) -> None:
        self._delayed.discard(timer)
        self._node.destroy_timer(timer)
        self.tell(event)

    def _peers_changed(self, status: Any) -> None:
        self.tell(PeersChanged())

    def _do(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Publish(message, to):
                    self._publish(message, to)
                case PublishPackets(packets):
                    self._publish_packets(packets)
                case Hear(kind, robot_ids):
                    self._hear(kind, robot_ids)
                case Reach(kind, robot_ids):
                    for robot_id in robot_ids:
                        self._publisher_to(kind, robot_id)
                case StartJob(job, background):
                    thread = self._background if background else self._thread
                    thread.submit(partial(self._run_job, job))
                case SaveCheckpoint() if not self._worker.keeps:
                    self.tell(CheckpointSaved(effect.round))
                case SaveCheckpoint():
                    self._thread.submit(partial(self._save, effect))
                case SetTimer(name, delay):
                    self._set_timer(name, delay)
                case CancelTimer(name):
                    if name in self._timers:
                        self._timers[name].cancel()
                case Warn(key, text):
                    self._warn(key, text)
                case Record(row) if self._record:
                    self._record(row)
                case RunEnded() if self._ended:
                    self._ended()

    def _publish(self, message: WireMessage, to: str) -> None:
        raw = encode(message)
        kind = type(message)
        publisher = self._publisher_to(kind, to) if to else self._publishers[kind]
        publisher.publish(raw)
        if self._sent:
            self._sent(len(raw))

    def _publish_packets(self, packets: FramePackets) -> None:
        publisher = self._publishers[FeaturePacket]
        for raw in packets.to_bytes():
            publisher.publish(raw)
            if self._sent:
                self._sent(len(raw))

    def _publisher_to(self, cls: Kind, robot_id: str) -> Publisher:
        """Return the publisher on a topic of one robot; made when it is first needed."""
        key = (cls, robot_id)
        if key not in self._robot_publishers:
            if len(self._robot_publishers) >= _MAX_ROBOT_TOPICS:
                oldest = next(iter(self._robot_publishers))
                self._node.destroy_publisher(self._robot_publishers.pop(oldest))
            self._robot_publishers[key] = self._node.create_publisher(
                ROS_TYPES[cls], f'/{robot_id}/{cls.TOPIC}', publisher_qos(cls)
            )
        return self._robot_publishers[key]

    def _hear(self, cls: Kind, robot_ids: tuple[str, ...]) -> None:
        """Subscribe to the topics of these robots, and to those of no others any more."""
        former = {key for key in self._heard if key[0] is cls}
        wanted = {(cls, robot_id) for robot_id in robot_ids}
        for key in former - wanted:
            self._node.destroy_subscription(self._heard.pop(key))
        for key in sorted(wanted - former, key=lambda key: key[1]):
            self._heard[key] = self._subscribe(cls, f'/{key[1]}/{cls.TOPIC}')

    def _run_job(self, job: Any) -> None:
        try:
            result: Event = JobDone(job, self._worker.run(job))
        except Exception as error:  # a job's failure is news for the machine, not the end of it
            result = JobFailed(job, f'{type(error).__name__}: {error}')
        self._give_back(result)

    def _save(self, effect: SaveCheckpoint) -> None:
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


def _overrides_of(cls: Kind, role: Role) -> QoSOverridingOptions | None:
    """Let parameters override the QoS of the fleet's topics, whose names are known beforehand."""
    known = cls in role.subscribes
    return QoSOverridingOptions.with_default_policies() if known else None
