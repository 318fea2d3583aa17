"""Answers of the edge: heard by tools, given to a robot's programs, drawn into its pictures."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from sensor_msgs.msg import Image

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.split import Inference
from iot_fl_ros.ros.convert import ROS_TYPES, decode, encode
from iot_fl_ros.ros.images import Rgb, from_rgb, to_rgb
from iot_fl_ros.ros.topics import publisher_qos
from iot_fl_ros.ros.worker import WorkerThread

# Pictures that wait for their answers, while somebody wants to see them, and their bytes.
_WAITING, _WAITING_BYTES = 32, 64 << 20
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
    """Publishes `~/inference` and, if somebody subscribes to it, `~/annotated`.

    thread: draws; while it is busy, pictures are left out.
    """

    def __init__(self, node: Node, thread: WorkerThread) -> None:
        self._thread = thread
        self._drawing = False
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
        most = min(_WAITING, 1 + _WAITING_BYTES // max(1, len(message.data)))
        while len(self._pictures) > most:
            self._pictures.popitem(last=False)

    def answer(self, answer: Inference) -> None:
        """Publish an answer, and its picture."""
        self._answers.publish(encode(answer))
        message = self._pictures.pop(answer.header.stamp, None)
        if message is not None and not self._drawing:
            self._drawing = True
            self._thread.submit(lambda: self._draw(message, answer))

    def _draw(self, message: Any, answer: Inference) -> None:
        """Publish a picture with its answer."""
        try:
            drawn = annotated(to_rgb(message), answer)
            stamp, frame_id = message.header.stamp, message.header.frame_id
            self._annotated.publish(from_rgb(drawn, stamp, frame_id))
        except (MessageError, rclpy_implementation.InvalidHandle):
            pass  # the head has said so, or is going
        finally:
            self._drawing = False


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
    shares = np.reshape(answer.boxes, (-1, 4)).clip(0, 1)  # whatever came by radio
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
