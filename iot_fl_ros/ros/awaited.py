"""A topic that a node lives by: what is really there is told until its first message comes."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.timer import Timer

# After the start, and then again and again, s of real time: a simulator's clock may wait too.
_FIRST, _PERIOD = 4.0, 10.0


class AwaitedTopic:
    """Warns while nothing comes on a topic: nobody publishes it, another type, another QoS.

    ros_type: `package/msg/Name`. remedy: what to do if publishers have this other type; None =
    that is not known. came: whether a message has come.
    """

    def __init__(
        self, node: Node, topic: str, ros_type: str, remedy: Callable[[str], str | None], *,
        came: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._node = node
        self.topic = node.resolve_topic_name(topic)
        self._type = ros_type
        self._remedy = remedy
        self._came = came
        self._clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer: Timer | None = None

    def start(self) -> None:
        """Begin to watch."""
        self._timer = self._node.create_timer(_FIRST, self._first, clock=self._clock)

    def stop(self) -> None:
        """Watch no longer; nothing if it does not."""
        if self._timer:
            self._node.destroy_timer(self._timer)
            self._timer = None

    def _first(self) -> None:
        self.stop()
        self._timer = self._node.create_timer(_PERIOD, self._look, clock=self._clock)
        self._look()

    def _look(self) -> None:
        if self._came():
            self.stop()
        else:
            self._node.get_logger().warning(self.describe())

    def describe(self) -> str:
        """Return what is there instead of a message."""
        return describe_topic(self._node, self.topic, self._type, self._remedy)


def describe_topic(
    node: Node, topic: str, ros_type: str, remedy: Callable[[str], str | None] = lambda other: None
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
    return f'{waiting}: {", ".join(names)} publishes it, nothing has come yet'


def _nearest(node: Node, topic: str, ros_type: str) -> str:
    """Return topics that may be meant: of that type, the most similar names first."""
    found = [
        name
        for name, types in node.get_topic_names_and_types()
        if name != topic and (not ros_type or ros_type in types) and node.count_publishers(name)
    ]
    if not ros_type:
        found = difflib.get_close_matches(topic, found, n=1, cutoff=0.8)
    found.sort(key=lambda name: -difflib.SequenceMatcher(None, name, topic).ratio())
    return ', '.join(found[:3])
