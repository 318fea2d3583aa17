"""The collector: labels what a robot's camera sees of the boards of a simulated world.

Takes `camera/image`, `camera/camera_info` and the robot's true pose; at its end it writes own.npz
(its own rooms, to learn from), others.npz (what it saw elsewhere, to be tested on), track.npz and
view.png.
"""

from __future__ import annotations

import collections
import dataclasses
import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from nav_msgs.msg import Odometry
from rclpy.clock import Clock, ClockType
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Bool

from iot_fl_ros.core.config import setting
from iot_fl_ros.core.errors import ConfigError, DataError, MessageError
from iot_fl_ros.data import fashion_mnist
from iot_fl_ros.nodes.application import single
from iot_fl_ros.nodes.managed import ManagedNode
from iot_fl_ros.nodes.process import run
from iot_fl_ros.ros.awaited import AwaitedTopic
from iot_fl_ros.ros.images import to_rgb
from iot_fl_ros.ros.parameters import declared
from iot_fl_ros.ros.world_messages import LATCHED, motion_from
from iot_fl_ros.world.collection import LOOKING, Collection, PlanarPose, PoseTrack, empty_folder
from iot_fl_ros.world.observation import Scene, camera_pose
from iot_fl_ros.world.plan import ROOMS
from iot_fl_ros.world.poses import pose_matrix
from iot_fl_ros.world.robot import robots
from iot_fl_ros.world.sdf import read_world
from iot_fl_ros.world.textures import prepare_world

_WAITING = 20  # pictures that wait for the pose of their time
_REPORT_PERIOD = 10.0
_WARN_PERIOD = 10.0
# Focal lengths in widths of the picture that a camera may have: 170 degrees to one.
_FOCAL_SHARES = (0.04, 60.0)


@dataclass(frozen=True)
class CollectorSettings:
    """Settings of the collector."""

    output: str = setting('', 'Folder for what was collected; needed.')
    world: str = setting('', "World file; empty = the package's.")
    rooms: list = setting(
        [0], "Rooms that are the robot's own part of the floor.", minimum=0, maximum=ROOMS - 1
    )
    pause: float = setting(0.5, 'Time between two samples of one board, s.', minimum=0.0)
    views: int = setting(12, 'Samples of one board, at most.', minimum=1)


_PICTURES, _INFO, _POSES = 'camera/image', 'camera/camera_info', 'ground_truth'
_TOPICS = {
    _PICTURES: 'sensor_msgs/msg/Image',
    _INFO: 'sensor_msgs/msg/CameraInfo',
    _POSES: 'nav_msgs/msg/Odometry',
}


class CollectorNode(ManagedNode):
    """One robot's collector; its namespace is the robot. Deactivated, it looks away."""

    finished = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('collector', **kwargs)
        self.settings = declared(self, CollectorSettings)
        self._folder = empty_folder(_folder(self.settings))
        world = Path(self.settings.world) if self.settings.world else prepare_world()
        self._scene = Scene(read_world(world))
        name = self.get_namespace().strip('/') or 'robot'
        self._robot = robots(world.parent, (name,))[0]
        self._names = fashion_mnist.load('test').class_names
        self.collection = Collection(self.settings.rooms, self.settings.pause, self.settings.views)
        self._poses = PoseTrack()
        self._focal_share = math.nan
        self._pictures = self._usable_poses = 0
        self._looking = False
        self._awaited = [
            AwaitedTopic(
                self,
                topic,
                ros_type,
                lambda other: None,
                count=partial(self._count, topic),
                stream=topic != _INFO,
            )
            for topic, ros_type in _TOPICS.items()
        ]
        self._announcement = self.create_publisher(Bool, LOOKING, LATCHED)
        self._waiting: collections.deque[Any] = collections.deque(maxlen=_WAITING)

    def begin(self) -> None:
        """Begin to look, or go on."""
        best_effort = qos_profile_sensor_data  # matches whatever the camera's driver offers
        for kind, topic, callback in (
            (Image, _PICTURES, self._image),
            (CameraInfo, _INFO, self._info),
            (Odometry, _POSES, self._pose),
        ):
            self.until_pause(self.create_subscription(kind, topic, callback, best_effort))
        # By real time: whoever waits for a simulator has no /clock either.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.until_pause(self.create_timer(_REPORT_PERIOD, self._report, clock=steady))
        for awaited in self._awaited:
            awaited.start()

    def pause(self) -> None:
        """Look at nothing until the next activation."""
        super().pause()
        for awaited in self._awaited:
            awaited.stop()
        self._waiting.clear()

    def close(self) -> None:
        """Write what was collected; DataError if there is nothing, or it cannot be written."""
        self.pause()
        try:
            self.collection.save(self._folder, self._names)
        except (DataError, OSError) as error:
            lacks = self.lacks()
            silent = f'; nothing usable came from {lacks}' if lacks else ''
            raise DataError(f'nothing saved: {error}{silent}') from error
        self.get_logger().info(f'{self.collection.counts()} samples in {self._folder}')

    def lacks(self) -> str:
        """Return the topics of which nothing usable has come; empty if there is none."""
        lacking = [topic for topic in _TOPICS if not self._count(topic)]
        return ', '.join(map(self.resolve_topic_name, lacking))

    def _count(self, topic: str) -> int:
        """Return how many usable messages have come; of the focal length it is enough to know."""
        usable = {
            _PICTURES: self._pictures,
            _INFO: int(not math.isnan(self._focal_share)),
            _POSES: self._usable_poses,
        }
        return usable[topic]

    def _info(self, info: CameraInfo) -> None:
        share = info.k[0] / info.width if info.width else math.nan
        low, high = _FOCAL_SHARES
        if low <= share <= high:
            self._focal_share = share
        else:
            self._warn(f'camera_info: focal length {info.k[0]:g} of {info.width} pixels: ignored')

    def _pose(self, message: Odometry) -> None:
        try:
            motion = motion_from(message)
        except MessageError as error:
            self._warn(f'pose: {error}')
            return
        self._usable_poses += 1
        x, y, _ = motion.position
        self._poses.add(PlanarPose(_seconds(message), x, y, motion.yaw))
        while self._waiting and _seconds(self._waiting[0]) <= self._poses.newest:
            self._look(self._waiting.popleft())

    def _image(self, message: Image) -> None:
        self._pictures += 1
        if _seconds(message) <= self._poses.newest:
            self._look(message)
        else:
            self._waiting.append(message)

    def _look(self, message: Image) -> None:
        pose = self._poses.at(_seconds(message))
        if pose is None or math.isnan(self._focal_share):
            return
        try:
            rgb = to_rgb(message)
        except MessageError as error:
            self._warn(f'picture: {error}')
            return
        base = pose_matrix(f'{pose.x} {pose.y} 0 0 0 {pose.yaw}')
        camera, where = camera_pose(self._robot, base)
        camera = dataclasses.replace(
            camera, width=message.width, height=message.height,
            horizontal_fov=2 * math.atan(0.5 / self._focal_share),
        )  # fmt: skip
        self.collection.add(pose, rgb, self._scene.seen(camera, where))
        if not self._looking:
            self._looking = True
            self._announcement.publish(Bool(data=True))

    def _report(self) -> None:
        if not self.lacks():
            self.get_logger().info(f'{self.collection.counts()} samples so far')

    def _warn(self, text: str) -> None:
        self.get_logger().warning(text, throttle_duration_sec=_WARN_PERIOD)


def _folder(settings: CollectorSettings) -> Path:
    if not settings.output:
        raise ConfigError('output is empty: name a folder for the samples')
    if not settings.rooms:
        raise ConfigError("rooms is empty: name the rooms that are the robot's own")
    return Path(settings.output).expanduser()


def _seconds(message: Any) -> float:
    stamp = message.header.stamp
    return float(stamp.sec + stamp.nanosec * 1e-9)


def main(args: list[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM."""
    return run(single(CollectorNode), args, profile='camera')
