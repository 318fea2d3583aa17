"""Making a bag of pictures from a video, a folder or a data set, without any node."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

from builtin_interfaces.msg import Time
from rclpy.qos import qos_profile_sensor_data
from rclpy.serialization import serialize_message

from iot_fl_ros.bag.definitions import canonical
from iot_fl_ros.bag.writer import BagSettings, BagWriter
from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.core.messages.fields import SourceHeader
from iot_fl_ros.core.messages.split import Inference
from iot_fl_ros.data.image_stream import open_stream
from iot_fl_ros.ros.convert import encode
from iot_fl_ros.ros.images import compressed_from_rgb, from_rgb
from iot_fl_ros.ros.topics import publisher_qos

_NANO = 1_000_000_000
# Stamps begin here, ns: zero would mean no time at all in ROS.
_START = _NANO
FRAME_ID = 'camera'
# Who knows the truth, as the sender of labels.
TRUTH = 'truth'
_LABEL_TYPE = 'iot_fl_ros/msg/Inference'


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
                _write_label(writer, f'{shooting.topic}/labels', stamp, picture.label)
    return count


def _write_label(writer: BagWriter, topic: str, stamp: int, label: int) -> None:
    if not writer.has_topic(topic):
        writer.add_topic(topic, _LABEL_TYPE, [publisher_qos(Inference)])
    header = SourceHeader(stamp, FRAME_ID)
    truth = Inference(
        header=header, robot_id=TRUTH, session=0, epoch=0, frame=0, received=1.0, latency=0.0,
        class_ids=(label,), class_names=(str(label),), scores=(1.0,), boxes=(),
    )  # fmt: skip
    writer.write(topic, stamp, canonical(_LABEL_TYPE, encode(truth)))
