"""The recorder: topics of the federation, of cameras or any others into a bag, as raw bytes."""

from __future__ import annotations

import collections
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

from iot_fl_ros.bag.definitions import OWN, definition_of
from iot_fl_ros.bag.recording import RecordingThread, message_class, subscription_for
from iot_fl_ros.bag.storage import COMPRESSIONS
from iot_fl_ros.bag.writer import STORAGES, BagSettings, BagWriter
from iot_fl_ros.core.config import setting
from iot_fl_ros.core.errors import ConfigError, DataError, IotFlError
from iot_fl_ros.core.messages import endpoints_of
from iot_fl_ros.core.messages.delivery import Role
from iot_fl_ros.nodes.application import single
from iot_fl_ros.nodes.managed import ManagedNode
from iot_fl_ros.nodes.process import run
from iot_fl_ros.ros.awaited import describe_topic
from iot_fl_ros.ros.convert import ROS_TYPES
from iot_fl_ros.ros.diagnostics import Diagnostics, status
from iot_fl_ros.ros.parameters import declared
from iot_fl_ros.ros.topics import subscription_qos

_MEGA = 1_000_000
_LEASE = 5.0
_DISCOVERY_PERIOD = 0.2
# Latched messages of a topic that are known again after a pause, and for how long after it, s.
_LATCHED_DEPTH = 256
_REPEATS = 2.0
# When it is said that nothing has come on a topic that was asked for, s.
_FIRST_ABSENCE, _ABSENCE_PERIOD = 4.0, 10.0


@dataclass(frozen=True)
class RecorderSettings:
    """Settings of the recorder."""

    bag: str = setting('', 'Folder to make.')
    topics: list = setting([], 'Topics to record, whatever their type.')
    fleet: bool = setting(False, 'Record all topics with messages of this package.')
    all: bool = setting(False, 'Record every topic.')
    fleet_namespace: str = setting('/fleet', 'Namespace of the topics that the fleet shares.')
    storage: str = setting('mcap', 'Kind of files.', choices=tuple(STORAGES))
    compression: str = setting('none', 'Of the chunks of MCAP files.', choices=COMPRESSIONS)
    max_size: float = setting(
        0.0, 'Size of a file, then a new one begins, MB; 0 = one.', minimum=0
    )
    max_duration: float = setting(0.0, 'Duration of a file, in the same way, s.', minimum=0)
    queue_size: float = setting(
        256.0, 'Messages that may wait for the disk; more are dropped and counted, MB.', minimum=1
    )
    flush_period: float = setting(
        0.5, 'What is older survives a kill of the recorder, s.', minimum=0.01, maximum=60.0
    )
    use_events_executor: bool = setting(
        True, "Spin with rclpy's EventsExecutor, which costs less."
    )


@dataclass
class _Source:
    """A topic that is recorded.

    recent: hashes of the newest messages, if it is latched. introduced: the bag knows the topic;
    publishers: when last counted.
    """

    ros_type: str
    qos: QoSProfile
    subscription: Subscription
    recent: collections.deque[int]
    introduced: bool = False
    publishers: int = 0


class RecorderNode(ManagedNode):
    """Subscribes to topics as they appear, with a QoS that matches all of their publishers.

    activate records, deactivate pauses; the bag is finished at the end of the process.
    """

    finished = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('recorder', **kwargs)
        settings = self.settings = declared(self, RecorderSettings)
        self.process_settings = settings
        # An empty list of strings cannot be written on the command line.
        self._wanted = {self.resolve_topic_name(name) for name in settings.topics if name}
        if not settings.bag:
            raise ConfigError('bag names no folder: set it')
        if not (self._wanted or settings.fleet or settings.all):
            raise ConfigError('there is nothing to record: set topics, fleet or all')
        bag_settings = BagSettings(
            settings.storage,
            settings.compression,
            round(settings.max_size * _MEGA),
            settings.max_duration,
        )
        writer = BagWriter(Path(settings.bag).expanduser(), bag_settings)
        self.recording = RecordingThread(
            writer, round(settings.queue_size * _MEGA), settings.flush_period
        )
        self.lost: dict[str, int] = {}
        self._sources: dict[str, _Source] = {}
        self._former: dict[str, _Source] = {}  # before a pause
        self._begun = 0.0
        self._unusable: set[tuple[str, str]] = set()  # topics with a type
        self._mixed: set[str] = set()
        self._absence_due = 0.0
        self._said_dropped = 0
        self._diagnostics = Diagnostics(self)

    def begin(self) -> None:
        """Begin to record, or go on with what is latched now and is not in the bag yet."""
        self._begun, self._absence_due = time.monotonic(), _FIRST_ABSENCE
        if self.settings.fleet:
            self._expect_fleet()
        self._discover()
        self.until_pause(self.create_timer(_DISCOVERY_PERIOD, self._discover))
        self._diagnostics.start(self._describe)
        self.get_logger().info(f'recording into {self.settings.bag}')

    def pause(self) -> None:
        """Record nothing, and receive nothing, until the next activation."""
        self._diagnostics.stop()
        super().pause()
        for source in self._sources.values():
            self.destroy_subscription(source.subscription)
        self._former |= self._sources
        self._sources = {}

    def close(self) -> None:
        """Finish the bag and say what is in it; IotFlError if it is not all that came."""
        self.pause()
        self.recording.close()
        recording = self.recording
        text = (
            f'{recording.written:,} messages, {recording.received_bytes / _MEGA:,.1f} MB, of '
            f'{len(self._introduced())} topics; dropped '
            f'{recording.dropped:,}; most waiting '
            f'{recording.most_waiting / _MEGA:.1f} MB; never came: {self._lost_text()}'
        )
        self.get_logger().info(f'wrote {self.settings.bag}: {text}')
        if recording.error:
            raise IotFlError(f'recording stopped early: {recording.error}')

    def _expect_fleet(self) -> None:
        """Subscribe to the fleet's topics before anybody is there: their first messages count."""
        namespace = self.settings.fleet_namespace.rstrip('/')
        for kind in (
            *endpoints_of(Role.AGGREGATOR).publishes,
            *endpoints_of(Role.ROBOT).publishes,
        ):
            name = self.resolve_topic_name(f'{namespace}/{kind.TOPIC}')
            if name not in self._sources:
                cls = ROS_TYPES[kind]
                self._subscribe(name, f'{OWN}/msg/{cls.__name__}', subscription_qos(kind, _LEASE))

    def _discover(self) -> None:
        for name, types in self.get_topic_names_and_types():
            if not self._is_wanted(name, types):
                continue
            source = self._sources.get(name) or self._former.get(name)
            ros_type = source.ros_type if source else self._type_of(name, types)
            if (name, ros_type) in self._unusable:
                continue
            offered = self._offered(name, ros_type)
            if offered:
                self._adapt(name, ros_type, subscription_for(offered))
                self._tell_publishers(name)
            if len(types) > 1:
                self._tell_types(name, ros_type, types)
        self._tell_drops()
        self._tell_absent()

    def _type_of(self, name: str, types: Sequence[str]) -> str:
        """Return the type of a topic to record: one that is published, ours for the fleet's."""
        published = {one.topic_type for one in self.get_publishers_info_by_topic(name)}
        there = [one for one in types if one in published] or list(types)
        usable = [one for one in there if (name, one) not in self._unusable] or there
        fleets = name.startswith(self.settings.fleet_namespace.rstrip('/') + '/')
        ours = [one for one in usable if one.startswith(f'{OWN}/')] if fleets else []
        return (ours or usable)[0]

    def _is_wanted(self, name: str, types: Iterable[str]) -> bool:
        fleet = self.settings.fleet and any(one.startswith(f'{OWN}/msg/') for one in types)
        return self.settings.all or fleet or name in self._wanted

    def _tell_types(self, name: str, recorded: str, types: Sequence[str]) -> None:
        """Say once that a topic has several types: a bag has one for each topic."""
        if name not in self._mixed:
            self._mixed.add(name)
            others = ', '.join(one for one in types if one != recorded)
            self.get_logger().warning(
                f'{name} has {len(types)} types, {" and ".join(types)}: {recorded} is recorded, '
                f'messages of {others} are left out'
            )

    def _tell_absent(self) -> None:
        """Say now and then which topics nobody publishes."""
        waited = time.monotonic() - self._begun
        if waited < self._absence_due:
            return
        self._absence_due = waited + _ABSENCE_PERIOD
        introduced = self._introduced()
        for name in sorted(self._wanted - introduced):
            self.get_logger().warning(describe_topic(self, name, ''))
        if not introduced and not self._wanted:
            what = 'topics' if self.settings.all else f'topics of {OWN}'
            self.get_logger().warning(f'waiting for {what}: nothing has come yet')

    def _introduced(self) -> set[str]:
        """Return the topics of which a message has come."""
        sources = {**self._former, **self._sources}
        return {name for name, source in sources.items() if source.introduced}

    def _adapt(self, name: str, ros_type: str, qos: QoSProfile) -> None:
        """Subscribe, or subscribe again if some publisher offers less than was asked for."""
        source = self._sources.get(name)
        if source is None:
            self._subscribe(name, ros_type, qos)
        elif _asks_more(source.qos, qos):
            self.destroy_subscription(source.subscription)
            self._subscribe(name, ros_type, qos)

    def _tell_publishers(self, name: str) -> None:
        source, count = self._sources.get(name), self.count_publishers(name)
        if source and source.publishers != count:
            source.publishers = count
            self.get_logger().info(f'recording {name} of {count} publishers')

    def _subscribe(self, name: str, ros_type: str, qos: QoSProfile) -> None:
        try:
            message = message_class(ros_type)
            definition_of(ros_type)  # the bag needs it; without one the writer would stop
        except DataError as error:
            self._unusable.add((name, ros_type))
            self.get_logger().warning(f'{name} is not recorded: {error}')
            return
        events = SubscriptionEventCallbacks(message_lost=partial(self._message_lost, name))
        subscription = self.create_subscription(
            message, name, partial(self._arrived, name), qos, raw=True, event_callbacks=events
        )
        known = self._sources.get(name) or self._former.get(name)
        recent = known.recent if known else collections.deque(maxlen=_LATCHED_DEPTH)
        introduced = known.introduced if known else False
        self._sources[name] = _Source(ros_type, qos, subscription, recent, introduced)

    def _arrived(self, name: str, raw: bytes) -> None:
        source = self._sources[name]
        if source.qos.durability is DurabilityPolicy.TRANSIENT_LOCAL:
            # A new subscription is given again what is latched already.
            repeats = time.monotonic() < self._begun + _REPEATS
            if repeats and hash(raw) in source.recent:
                return
            source.recent.append(hash(raw))
        if not source.introduced:
            source.introduced = True
            offered = self._offered(name, source.ros_type) or [source.qos]
            self.recording.add_topic(name, source.ros_type, offered)
        # Without MessageInfo: the EventsExecutor of the Jazzy wheels fails on a second argument.
        self.recording.put(name, self.get_clock().now().nanoseconds, raw)

    def _offered(self, name: str, ros_type: str) -> list[QoSProfile]:
        """Return the profiles of the publishers of a topic that have the type, each once."""
        found: list[QoSProfile] = []
        for publisher in self.get_publishers_info_by_topic(name):
            if publisher.topic_type == ros_type and publisher.qos_profile not in found:
                found.append(publisher.qos_profile)
        return found

    def _message_lost(self, name: str, event: Any) -> None:
        """Count what the network lost, or a publisher with a short history overwrote."""
        self.lost[name] = self.lost.get(name, 0) + event.total_count_change

    def _lost_text(self) -> str:
        """Return what did not come: messages that were lost, topics that stayed silent."""
        lost = [f'{count:,} of {name}' for name, count in sorted(self.lost.items())]
        return ', '.join([*lost, *sorted(self._wanted - self._introduced())]) or 'none'

    def _tell_drops(self) -> None:
        dropped = self.recording.dropped
        if dropped > self._said_dropped:
            why = self.recording.error or 'the disk is too slow'
            self.get_logger().warning(
                f'{dropped:,} messages dropped so far: {why}', throttle_duration_sec=10.0
            )
            self._said_dropped = dropped

    def _describe(self) -> Iterable[DiagnosticStatus]:
        recording = self.recording
        level = DiagnosticStatus.WARN if recording.dropped or self.lost else DiagnosticStatus.OK
        yield status(
            'iot_fl recorder',
            DiagnosticStatus.ERROR if recording.error else level,
            recording.error or f'{recording.received:,} messages',
            {
                'topics': len(self._sources),
                'bytes': recording.received_bytes,
                'dropped': recording.dropped,
                'never came': self._lost_text(),
            },
        )


def _asks_more(asked: QoSProfile, possible: QoSProfile) -> bool:
    reliable, latched = ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL
    return (asked.reliability is reliable and possible.reliability is not reliable) or (
        asked.durability is latched and possible.durability is not latched
    )


def main(args: list[str] | None = None) -> int:
    """Record until SIGINT or SIGTERM."""
    return run(single(RecorderNode), args, profile='camera')
