"""A topic that a node lives by: while nothing comes, it is told what is there instead."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.timer import Timer

# Silence, then again and again, and how often it is looked, s of real time: a simulator's clock
# may wait too.
_FIRST, _PERIOD, _LOOK = 4.0, 10.0, 0.5
_NEVER = 'nothing has come yet'


class AwaitedTopic:
    """Warns while nothing comes on a topic: nobody publishes it, another type, another QoS.

    ros_type: `package/msg/Name`. remedy: what to do if publishers have this other type; None =
    that is not known. count: messages that have come so far. stream: they should come all the
    time, not once.
    """

    def __init__(
        self, node: Node, topic: str, ros_type: str, remedy: Callable[[str], str | None], *,
        count: Callable[[], int], stream: bool = True,
    ) -> None:  # fmt: skip
        self._node = node
        self.topic = node.resolve_topic_name(topic)
        self._type = ros_type
        self._remedy = remedy
        self._count, self._stream = count, stream
        self._seen = 0
        self._last = self._due = 0.0
        self._clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer: Timer | None = None

    def start(self) -> None:
        """Begin to watch; nothing if what comes once has come."""
        self._seen, self._last, self._due = self._count(), time.monotonic(), _FIRST
        if self._seen and not self._stream:
            return
        self._timer = self._node.create_timer(_LOOK, self._look, clock=self._clock)

    def stop(self) -> None:
        """Watch no longer; nothing if it does not."""
        if self._timer:
            self._node.destroy_timer(self._timer)
            self._timer = None

    def silence(self) -> float:
        """Return for how long nothing has come, s; as exact as it is looked."""
        return time.monotonic() - self._last

    def _look(self) -> None:
        count, silence = self._count(), self.silence()
        if count != self._seen:
            if self._due > _FIRST:
                again = ' again' if self._seen else ''
                log = self._node.get_logger()
                log.info(f'messages on {self.topic} come{again}, after {silence:.0f} s')
            self._seen, self._last, self._due = count, time.monotonic(), _FIRST
            if not self._stream:
                self.stop()
        elif silence >= self._due:
            self._due = silence + _PERIOD
            what = f'nothing for {silence:.0f} s' if count else _NEVER
            self._node.get_logger().warning(self.describe(what))

    def describe(self, what: str = _NEVER) -> str:
        """Return what is there instead of a message. what: if there is a right publisher."""
        return describe_topic(self._node, self.topic, self._type, self._remedy, what)


def describe_topic(
    node: Node,
    topic: str,
    ros_type: str,
    remedy: Callable[[str], str | None] = lambda other: None,
    what: str = _NEVER,
) -> str:
    """Return why nothing may come on a topic; ros_type: '' = any type would do."""
    waiting = f'waiting for {ros_type} on {topic}' if ros_type else f'waiting for {topic}'
    publishers = node.get_publishers_info_by_topic(topic)
    if not publishers:
        near = _nearest(node, topic, ros_type)
        return f'{waiting}: nobody publishes it' + (f'; there is {near}' if near else '')
    others = sorted({one.topic_type for one in publishers} - {ros_type})
    if ros_type and all(one.topic_type != ros_type for one in publishers):
        text = f'{waiting}: {topic} has {", ".join(others)}'
        advice = next((said for said in map(remedy, others) if said), '')
        return f'{text}: {advice}' if advice else text
    names = sorted({f'{one.node_namespace.rstrip("/")}/{one.node_name}' for one in publishers})
    return f'{waiting}: {", ".join(names)} publishes it, {what}'


def _nearest(node: Node, topic: str, ros_type: str) -> str:
    """Return topics that may be meant: of that type, the most similar names first."""
    found = [
        name
        for name, types in node.get_topic_names_and_types()
        if name != topic and (not ros_type or ros_type in types) and _is_published(node, name)
    ]
    if not ros_type:
        found = difflib.get_close_matches(topic, found, n=1, cutoff=0.8)
    found.sort(key=lambda name: -difflib.SequenceMatcher(None, name, topic).ratio())
    return ', '.join(found[:3])


def _is_published(node: Node, topic: str) -> bool:
    """Return whether somebody else than this node publishes a topic."""
    own = node.get_namespace(), node.get_name()
    return any(
        (one.node_namespace, one.node_name) != own
        for one in node.get_publishers_info_by_topic(topic)
    )
