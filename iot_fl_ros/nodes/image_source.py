"""A camera without a camera: publishes the pictures of a video, folder, webcam or data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image

from iot_fl_ros.core.config import setting
from iot_fl_ros.data.image_stream import SOURCES, open_stream
from iot_fl_ros.nodes.application import single
from iot_fl_ros.nodes.managed import ManagedNode
from iot_fl_ros.nodes.process import run
from iot_fl_ros.ros.images import compressed_from_rgb, from_rgb
from iot_fl_ros.ros.parameters import declared


@dataclass(frozen=True)
class ImageSourceSettings:
    """Settings of the image source."""

    source: str = setting('vtest', f'What to publish: {SOURCES}.')
    rate: float = setting(10.0, 'Pictures a second.', minimum=0.01, maximum=1000.0)
    loop: bool = setting(True, 'Begin again at the end; otherwise the process ends.')
    frame_id: str = setting('camera', 'frame_id of the pictures.')
    compressed: bool = setting(False, 'Publish JPEGs on `image/compressed` instead of `image`.')
    quality: int = setting(90, 'Quality of the JPEGs.', minimum=1, maximum=100)


class ImageSourceNode(ManagedNode):
    """Publishes `image` or `image/compressed`, as a driver of a camera does."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('image_source', **kwargs)
        self.settings = declared(self, ImageSourceSettings)
        self._stream = open_stream(self.settings.source)
        self.finished = False
        compressed = self.settings.compressed
        self._publisher = self.create_publisher(
            CompressedImage if compressed else Image,
            'image/compressed' if compressed else 'image',
            qos_profile_sensor_data,
        )

    def begin(self) -> None:
        """Begin to publish, or go on."""
        self.until_pause(self.create_timer(1 / self.settings.rate, self._publish))

    def _publish(self) -> None:
        picture = next(self._stream, None)
        if picture is None and self.settings.loop:
            self._stream = open_stream(self.settings.source)
            picture = next(self._stream, None)
        if picture is None:
            self.finished = True
            return
        stamp = self.get_clock().now().to_msg()
        if self.settings.compressed:
            message = compressed_from_rgb(
                picture.rgb, stamp, self.settings.frame_id, self.settings.quality
            )
        else:
            message = from_rgb(picture.rgb, stamp, self.settings.frame_id)
        self._publisher.publish(message)


def main(args: list[str] | None = None) -> int:
    """Run until the end of the pictures, SIGINT or SIGTERM."""
    return run(single(ImageSourceNode), args, profile='camera')
