"""Plays the pictures of a bag to a head, with /clock, and writes down what the tail answers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from rosgraph_msgs.msg import Clock as ClockMessage

from iot_fl_ros.bag.pictures import LEAD, BagPicture, image_topic, pictures
from iot_fl_ros.bag.reader import open_bag
from iot_fl_ros.core.config import setting
from iot_fl_ros.core.errors import DataError
from iot_fl_ros.core.messages.split import Inference
from iot_fl_ros.core.run_files import write_json
from iot_fl_ros.nodes.application import single
from iot_fl_ros.nodes.process import run
from iot_fl_ros.ros.edge_answers import listen_to_answers
from iot_fl_ros.ros.parameters import declared

_NANO = 1_000_000_000
_TICK = 0.005
_WARM_PERIOD = 0.25
_ANSWERS_DEPTH = 100


@dataclass(frozen=True)
class PlayerSettings:
    """Settings of the bag player."""

    bag: str = setting('', 'Bag with the pictures.')
    topic: str = setting('', 'Topic of the pictures; empty = the only one.')
    salvage: bool = setting(False, 'Read past damage.')
    robot_id: str = setting('', 'Robot id of the head; empty = the namespace of the node.')
    speed: float = setting(1.0, 'Seconds of the bag in a second.', minimum=0.01, maximum=100.0)
    patience: float = setting(
        1.0, 'Time after the last picture for answers to come in, by the clock of the bag, s.',
        minimum=0.0,
    )  # fmt: skip
    output: str = setting('', 'File for the answers, JSON; empty = none.')


class BagPlayerNode(Node):
    """Publishes `image` or `image/compressed` as it is in the bag, when /clock says its stamp.

    Stamps too near to zero are moved on; answers are written with those of the bag.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('bag_player', **kwargs)
        settings = self.settings = declared(self, PlayerSettings)
        self._bag = open_bag(Path(settings.bag).expanduser(), salvage=settings.salvage)
        topic = image_topic(self._bag, settings.topic)
        self._pictures = pictures(self._bag, topic)
        self._shown = 0
        self._next: BagPicture | None = next(self._pictures, None)
        while self._next is not None and self._next.message is None:
            self._skip()
        if self._next is None:
            raise DataError(f'{settings.bag}: no picture of {topic} can be read')
        self._first = self._next
        # Time of the bag at its first picture, far enough from zero; and at the moment `_since`
        # of the steady clock. All ns.
        lead = round(LEAD * _NANO)
        self._start = max(self._first.header.stamp or self._first.stamp, _NANO + lead)
        self._start -= self._first.at
        self._base, self._since = self._due(self._first) - lead, time.monotonic_ns()
        self._warm = False
        self._warmed = 0
        self._numbers: dict[int, int] = {}
        self._answers: dict[int, dict[str, Any]] = {}
        self._ended_at: int | None = None
        self.finished = False
        own = self.get_namespace().strip('/').replace('/', '_')
        self._robot_id = settings.robot_id or own
        name = 'image/compressed' if hasattr(self._first.message, 'format') else 'image'
        self._publisher = self.create_publisher(
            type(self._first.message), name, qos_profile_sensor_data
        )
        clock_qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._clock_publisher = self.create_publisher(ClockMessage, '/clock', clock_qos)

    def close(self) -> None:
        """Nothing is left to do."""

    def start(self) -> None:
        """Begin to play."""
        listen_to_answers(self, self._robot_id, self._answer, _ANSWERS_DEPTH)
        self.create_timer(_TICK, self._tick, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _now(self) -> int:
        """Return the time of the bag, moved on, ns."""
        passed = time.monotonic_ns() - self._since
        return self._base + round(passed * self.settings.speed)

    def _tick(self) -> None:
        now = self._now()
        if not self._warm and self._next is not None and self._due(self._next) <= now:
            self._warm = True  # nobody answers: the figures will say so
        if not self._warm:
            self._tell_time(now)
            self._warm_up(now)
            return
        while self._next is not None and self._due(self._next) <= now:
            self._show(self._next)
            self._skip()
            self._ended_at = now
        self._tell_time(now)
        over = self._next is None and not self.finished
        if over and now - (self._ended_at or now) > self.settings.patience * _NANO:
            self._write()
            self.finished = True

    def _warm_up(self, now: int) -> None:
        """Show the first picture again and again until it is answered."""
        if now - self._warmed >= _WARM_PERIOD * _NANO:
            self._warmed = now
            self._publish(self._first.message, now)

    def _show(self, picture: BagPicture) -> None:
        due = self._due(picture)
        self._tell_time(due)
        if picture.message is not None:
            self._numbers[due] = self._shown
            self._publish(picture.message, due)

    def _skip(self) -> None:
        """Turn to the next picture."""
        self._shown += 1
        self._next = next(self._pictures, None)

    def _publish(self, message: Any, stamp: int) -> None:
        message.header.stamp = _time(stamp)
        self._publisher.publish(message)

    def _due(self, picture: BagPicture) -> int:
        return self._start + picture.at

    def _tell_time(self, now: int) -> None:
        self._clock_publisher.publish(ClockMessage(clock=_time(now)))

    def _answer(self, answer: Inference) -> None:
        if not self._warm:
            self._warm = True
            if self._next is not None:  # no need to wait any longer
                self._base = self._due(self._next) - round(_WARM_PERIOD * _NANO)
                self._since = time.monotonic_ns()
            return
        number = self._numbers.get(answer.header.stamp)
        if number is not None:
            self._answers.setdefault(
                number,
                {
                    'number': number, 'received': answer.received,
                    'latency': (self._now() - answer.header.stamp) / _NANO,
                    'class_ids': answer.class_ids, 'class_names': answer.class_names,
                    'scores': answer.scores, 'boxes': answer.boxes,
                },
            )  # fmt: skip

    def _write(self) -> None:
        if self.settings.output:
            rows = [self._answers[number] for number in sorted(self._answers)]
            content = {'pictures': self._shown, 'answers': rows}
            write_json(Path(self.settings.output), content)


def _time(stamp: int) -> Time:
    return Time(sec=stamp // _NANO, nanosec=stamp % _NANO)


def main(args: list[str] | None = None) -> int:
    """Play until the end of the bag, SIGINT or SIGTERM."""
    return run(single(BagPlayerNode), args, profile='camera')
