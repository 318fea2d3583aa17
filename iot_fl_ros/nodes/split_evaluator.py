"""Shows a head labelled pictures and writes down what the tail answers, and when."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from iot_fl_ros.core.config import setting
from iot_fl_ros.core.messages.split import Inference
from iot_fl_ros.data.image_stream import SOURCES, open_stream
from iot_fl_ros.nodes.application import single
from iot_fl_ros.nodes.process import run
from iot_fl_ros.ros.awaited import AwaitedTopic
from iot_fl_ros.ros.edge_answers import listen_to_answers
from iot_fl_ros.ros.images import from_rgb
from iot_fl_ros.ros.parameters import declared
from iot_fl_ros.split.answers import Answered, write_answers

_NANO = 1e-9
_ANSWERS_DEPTH = 100


@dataclass(frozen=True)
class EvaluatorSettings:
    """Settings of the evaluator."""

    robot_id: str = setting('', 'Robot id of the head; empty = the namespace of the node.')
    source: str = setting('fashion-mnist', f'Pictures: {SOURCES}.')
    count: int = setting(500, 'Pictures to show; fewer if there are no more.', minimum=1)
    stride: int = setting(1, 'Show every n-th picture of the source.', minimum=1)
    rate: float = setting(25.0, 'Pictures a second.', minimum=0.01, maximum=1000.0)
    patience: float = setting(
        1.0, 'Time after the last picture for answers to come in, s.', minimum=0.0
    )
    output: str = setting('evaluation.json', 'File for the results.')
    record: bool = setting(False, 'Write every answer into the results, not figures alone.')


class SplitEvaluatorNode(Node):
    """Publishes `image` in its own namespace, listens to the robot's answers and /diagnostics.

    The first picture is repeated until it is answered, so that set-up is not counted.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('split_evaluator', **kwargs)
        self.settings = declared(self, EvaluatorSettings)
        stride = self.settings.stride
        self._pictures = itertools.islice(
            open_stream(self.settings.source), 0, stride * self.settings.count, stride
        )
        self._first = next(open_stream(self.settings.source))
        self._warm = False
        own = self.get_namespace().strip('/').replace('/', '_')
        self._robot_id = self.settings.robot_id or own
        self._shown: dict[int, Answered] = {}
        self._last_shown = 0.0
        self._tail: dict[str, str] = {}
        self.finished = False
        self._publisher = self.create_publisher(Image, 'image', qos_profile_sensor_data)
        self._awaited = AwaitedTopic(
            self, f'/{self._robot_id}/{Inference.TOPIC}', 'iot_fl_ros/msg/Inference',
            lambda other: None, count=lambda: int(self._warm), stream=False,
        )  # fmt: skip

    def start(self) -> None:
        """Begin to show pictures."""
        listen_to_answers(self, self._robot_id, self._answer, _ANSWERS_DEPTH)
        self._awaited.start()
        self.create_subscription(DiagnosticArray, '/diagnostics', self._diagnostics, 10)
        self.create_timer(1 / self.settings.rate, self._show)

    def _now(self) -> float:
        return self.get_clock().now().nanoseconds * _NANO

    def _show(self) -> None:
        if self.finished:
            return
        picture = next(self._pictures, None) if self._warm else self._first
        if picture is None:
            open_answers = any(answer.latency is None for answer in self._shown.values())
            waited = self._now() - self._last_shown
            # The tail's diagnostics come once a second: the last ones know all packets.
            if waited > self.settings.patience + (1.0 if open_answers else 0.0):
                write_answers(Path(self.settings.output), list(self._shown.values()), self._tail)
                self.finished = True
            return
        stamp = self.get_clock().now()
        if self._warm:
            self._shown[stamp.nanoseconds] = Answered(picture.label)
            self._last_shown = self._now()
        self._publisher.publish(from_rgb(picture.rgb, stamp.to_msg(), 'camera'))

    def _answer(self, answer: Inference) -> None:
        self._warm = True
        shown = self._shown.get(answer.header.stamp)
        if shown is not None and shown.latency is None:
            shown.latency = self._now() - answer.header.stamp * _NANO
            shown.received = answer.received
            shown.answer = answer.class_ids[0] if answer.class_ids else -1
            if self.settings.record:
                shown.record = {
                    'class_ids': answer.class_ids, 'class_names': answer.class_names,
                    'scores': answer.scores, 'boxes': answer.boxes,
                }  # fmt: skip

    def _diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == f'iot_fl tail of {self._robot_id}':
                self._tail = {item.key: item.value for item in status.values}

    def close(self) -> None:
        """Nothing is left to do."""


def main(args: list[str] | None = None) -> int:
    """Run until the results are written, SIGINT or SIGTERM."""
    return run(single(SplitEvaluatorNode), args, profile='camera')
