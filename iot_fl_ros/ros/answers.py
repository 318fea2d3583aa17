"""Answers of the edge: heard by tools, given to a robot's programs, drawn into its pictures."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import Image

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.split import Inference
from iot_fl_ros.ros.convert import ROS_TYPES, decode, encode
from iot_fl_ros.ros.images import Rgb, from_rgb, to_rgb
from iot_fl_ros.ros.topics import publisher_qos

# Pictures that wait for their answers, while somebody wants to see them.
_WAITING = 60
_COLOUR = (255, 140, 0)
_LINES = 3


def listen_to_answers(
    node: Node, robot_id: str, take: Callable[[Inference], None], depth: int
) -> None:
    """Call `take` with each answer about a robot's pictures; what is none costs a warning."""

    def arrived(raw: bytes) -> None:
        try:
            answer = decode(Inference, raw)
        except MessageError as error:
            node.get_logger().warning(f'an answer is refused: {error}', throttle_duration_sec=10.0)
            return
        assert isinstance(answer, Inference)
        take(answer)

    qos = publisher_qos(Inference)
    qos.depth = depth
    node.create_subscription(
        ROS_TYPES[Inference], f'/{robot_id}/{Inference.TOPIC}', arrived, qos, raw=True
    )


class OwnAnswers:
    """Publishes `~/inference` and, if somebody subscribes to it, `~/annotated`."""

    def __init__(self, node: Node) -> None:
        # Reliable: on one robot everybody gets them, whatever he asks for.
        self._answers = node.create_publisher(ROS_TYPES[Inference], '~/inference', 10)
        self._annotated = node.create_publisher(Image, '~/annotated', 1)
        self._pictures: collections.OrderedDict[int, Any] = collections.OrderedDict()

    def picture(self, stamp: int, message: Any) -> None:
        """Keep a picture until its answer comes, if it will be wanted. stamp: ns."""
        if not self._annotated.get_subscription_count():
            self._pictures.clear()
            return
        self._pictures[stamp] = message
        if len(self._pictures) > _WAITING:
            self._pictures.popitem(last=False)

    def answer(self, answer: Inference) -> None:
        """Publish an answer, and its picture."""
        self._answers.publish(encode(answer))
        message = self._pictures.pop(answer.header.stamp, None)
        if message is None:
            return
        try:
            drawn = annotated(to_rgb(message), answer)
        except MessageError:
            return  # the head has said so
        stamp, frame_id = message.header.stamp, message.header.frame_id
        self._annotated.publish(from_rgb(drawn, stamp, frame_id))


def annotated(picture: Rgb, answer: Inference) -> Rgb:
    """Return a picture with the boxes of an answer, or with its best classes in a corner.

    picture: uint8 [height, width, 3].
    """
    drawn = picture.copy()
    height, width = drawn.shape[:2]
    scale = max(height / 480, 0.4)
    labels = [
        f'{name} {score:.0%}'
        for name, score in zip(answer.class_names, answer.scores, strict=True)
    ]
    if not answer.boxes:
        for number, label in enumerate(labels[:_LINES], start=1):
            _write(drawn, label, (round(8 * scale), round(24 * scale * number)), scale)
    shares = np.nan_to_num(np.reshape(answer.boxes, (-1, 4))).clip(0, 1)  # they came by radio
    boxes = (shares * [width, height, width, height]).round().astype(int).tolist()
    for label, (x1, y1, x2, y2) in zip(labels, boxes, strict=False):
        cv2.rectangle(drawn, (x1, y1), (x2, y2), _COLOUR, max(1, round(2 * scale)))
        _write(drawn, label, (x1, max(round(16 * scale), y1 - 4)), scale)
    return drawn


def _write(picture: Rgb, text: str, place: tuple[int, int], scale: float) -> None:
    """Write with a dark edge, to be read on any picture."""
    for colour, width in (((0, 0, 0), 3), (_COLOUR, 1)):
        thick = max(width, round(width * scale))
        cv2.putText(
            picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.6 * scale, colour, thick, cv2.LINE_AA
        )
