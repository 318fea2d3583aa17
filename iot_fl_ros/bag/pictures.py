"""The pictures in a bag; and a bag made of a video, a folder or a data set, without any node."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.qos import qos_profile_sensor_data
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CompressedImage, Image

from iot_fl_ros.bag.definitions import canonical
from iot_fl_ros.bag.reader import Bag
from iot_fl_ros.bag.writer import BagSettings, BagWriter
from iot_fl_ros.core.errors import ConfigError, DataError
from iot_fl_ros.core.messages.fields import SourceHeader
from iot_fl_ros.core.messages.split import Inference
from iot_fl_ros.data.image_stream import Picture, open_stream
from iot_fl_ros.ros.convert import encode, source_header
from iot_fl_ros.ros.images import compressed_from_rgb, from_rgb
from iot_fl_ros.ros.topics import publisher_qos

# Who plays pictures begins so long before the first one: head and tail have to meet, s.
LEAD = 30.0
_NANO = 1_000_000_000
# Stamps of a bag that is made begin here, ns: zero would mean no time at all in ROS.
_START = _NANO
FRAME_ID = 'camera'
# Two pictures are never closer than this, ns.
_LEAST_GAP = 1_000
# Stamps that are further apart than the times of receiving by more than this are no time, ns.
_LEAP = 10 * _NANO
# Who knows the truth, as the sender of labels.
TRUTH = 'truth'
_LABEL_TYPE = 'iot_fl_ros/msg/Inference'
IMAGE_TYPES: dict[str, Any] = {
    'sensor_msgs/msg/Image': Image,
    'sensor_msgs/msg/CompressedImage': CompressedImage,
}


@dataclass(frozen=True, slots=True)
class BagPicture:
    """A picture as it lies in the bag. stamp: when it was received, ns.

    at: ns since the first picture, see `pictures`. message: undecoded; None = it cannot be read.
    """

    stamp: int
    at: int
    header: SourceHeader
    message: Any


def image_topic(bag: Bag, wanted: str = '') -> str:
    """Return the topic with pictures, `wanted` or the only one; else ConfigError lists them."""
    found = {n: t for n, t in bag.topics.items() if t.ros_type in IMAGE_TYPES and t.count}
    listed = ', '.join(f'{n} ({t.count:,})' for n, t in sorted(found.items()))
    if not found:
        others = ', '.join(sorted({t.ros_type for t in bag.topics.values()})) or 'nothing'
        raise DataError(f'{bag.path} holds no pictures, only {others}')
    if wanted in found:
        return wanted
    if wanted in bag.topics:
        topic = bag.topics[wanted]
        raise ConfigError(
            f'{wanted} holds {topic.count:,} messages of {topic.ros_type}, no pictures: '
            f'--topic can be {listed}'
        )
    if wanted:
        raise ConfigError(f'{bag.path} has no topic {wanted}: --topic can be {listed}')
    if len(found) > 1:
        raise ConfigError(f'{bag.path} has several topics with pictures: choose --topic {listed}')
    return next(iter(found))


def pictures(bag: Bag, topic: str) -> Iterator[BagPicture]:
    """Yield the pictures of a topic.

    They are as far apart as their stamps; where a stamp is missing, goes back or leaps, as far as
    they were received. So stamps of two clocks are never subtracted.
    """
    cls = IMAGE_TYPES[bag.topics[topic].ros_type]
    at, before = 0, None
    for message in bag.messages((topic,)):
        image, header = _decoded(message.raw, cls)
        if before is not None:
            at += max(_LEAST_GAP, _distance(before, header.stamp, message.stamp))
        before = header.stamp, message.stamp
        yield BagPicture(message.stamp, at, header, image)


def _decoded(raw: bytes, cls: type) -> tuple[Any, SourceHeader]:
    """Return the message and its header; None if it cannot be read."""
    try:
        image = deserialize_message(raw, cls)
        return image, source_header(image.header)
    except Exception:  # whatever the middleware raises on bytes from a file
        return None, SourceHeader(0, '')


def _distance(before: tuple[int, int], stamp: int, received: int) -> int:
    """Return the ns between two pictures; before: stamp and time of receiving of the first."""
    apart = received - before[1]
    by_stamps = stamp - before[0]
    usable = stamp and before[0] and 0 < by_stamps <= max(apart, 0) + _LEAP
    return by_stamps if usable else apart


@dataclass(frozen=True)
class Shooting:
    """Selection of pictures from `source`. quality: of JPEGs; 0 = not compressed.

    rate: pictures a second, by their stamps; count: at most so many, 0 = all.
    """

    source: str
    topic: str = '/camera/image'
    rate: float = 10.0
    count: int = 0
    stride: int = 1
    quality: int = 0

    def __post_init__(self) -> None:
        if self.rate <= 0 or self.count < 0 or self.stride < 1 or not 0 <= self.quality <= 100:
            raise ConfigError('--rate is above 0, --stride at least 1, --count and --quality not '
                              'negative')  # fmt: skip


def make_bag(path: Path, shooting: Shooting, settings: BagSettings | None = None) -> int:
    """Write the pictures, and their labels where they are known; return how many there are.

    Labels are Inference messages on `<topic>/labels`, whose header is that of the picture. The
    same source gives the same bytes.
    """
    stream = open_stream(shooting.source)
    end = shooting.count * shooting.stride if shooting.count else None
    chosen = itertools.islice(stream, 0, end, shooting.stride)
    compressed = shooting.quality > 0
    topic = f'{shooting.topic}/compressed' if compressed else shooting.topic
    kind = f'sensor_msgs/msg/{"CompressedImage" if compressed else "Image"}'
    count = 0
    with BagWriter(path, settings, {'source': shooting.source}) as writer:
        writer.add_topic(topic, kind, [qos_profile_sensor_data])
        for count, picture in enumerate(chosen, 1):
            stamp = _START + round((count - 1) * _NANO / shooting.rate)
            time = Time(sec=stamp // _NANO, nanosec=stamp % _NANO)
            message = (
                compressed_from_rgb(picture.rgb, time, FRAME_ID, shooting.quality)
                if compressed
                else from_rgb(picture.rgb, time, FRAME_ID)
            )
            writer.write(topic, stamp, canonical(kind, serialize_message(message)))
            if picture.label >= 0:
                _write_label(writer, f'{shooting.topic}/labels', stamp, picture)
    return count


def _write_label(writer: BagWriter, topic: str, stamp: int, picture: Picture) -> None:
    writer.add_topic(topic, _LABEL_TYPE, [publisher_qos(Inference)])
    truth = Inference(
        header=SourceHeader(stamp, FRAME_ID), robot_id=TRUTH, session=0, epoch=0, frame=0,
        received=1.0, latency=0.0, class_ids=(picture.label,),
        class_names=(picture.kind or str(picture.label),), scores=(1.0,), boxes=(),
    )  # fmt: skip
    writer.write(topic, stamp, canonical(_LABEL_TYPE, encode(truth)))
