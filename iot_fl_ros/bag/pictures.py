"""The pictures in a bag."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CompressedImage, Image

from iot_fl_ros.bag.reader import Bag
from iot_fl_ros.core.errors import ConfigError, DataError
from iot_fl_ros.core.messages.fields import SourceHeader
from iot_fl_ros.ros.convert import source_header

# Who plays pictures begins so long before the first one: head and tail have to meet, s.
LEAD = 30.0
IMAGE_TYPES: dict[str, Any] = {
    'sensor_msgs/msg/Image': Image,
    'sensor_msgs/msg/CompressedImage': CompressedImage,
}


@dataclass(frozen=True, slots=True)
class BagPicture:
    """A picture as it lies in the bag: stamp = when it was received, ns; message: undecoded."""

    stamp: int
    header: SourceHeader
    message: Any


def image_topic(bag: Bag, wanted: str = '') -> str:
    """Return the topic with pictures, `wanted` or the only one; else ConfigError lists them."""
    found = {n: t for n, t in bag.topics.items() if t.ros_type in IMAGE_TYPES and t.count}
    listed = ', '.join(f'{n} ({t.count:,})' for n, t in sorted(found.items()))
    if not found:
        others = ', '.join(sorted({t.ros_type for t in bag.topics.values()})) or 'nothing'
        raise DataError(f'{bag.path} holds no pictures, only {others}')
    if wanted in bag.topics and wanted not in found:
        topic = bag.topics[wanted]
        raise ConfigError(
            f'{wanted} holds {topic.count:,} messages of {topic.ros_type}, no pictures: '
            f'--topic can be {listed}'
        )
    if wanted and wanted not in found:
        raise ConfigError(f'{bag.path} has no topic {wanted}: --topic can be {listed}')
    if not wanted and len(found) > 1:
        raise ConfigError(f'{bag.path} has several topics with pictures: choose --topic {listed}')
    return wanted or next(iter(found))


def pictures(bag: Bag, topic: str) -> Iterator[BagPicture]:
    """Yield the pictures of a topic; DataError if a message cannot be read as one."""
    cls = IMAGE_TYPES[bag.topics[topic].ros_type]
    for message in bag.messages((topic,)):
        try:
            image = deserialize_message(message.raw, cls)
            header = source_header(image.header)
        except Exception as error:  # whatever the middleware raises on bytes from a file
            raise DataError(f'{bag.path}: a message of {topic} is no {cls.__name__}') from error
        yield BagPicture(message.stamp, header, image)
