"""Messages of the simulated world: motions, cameras and commands, as ros_gz_bridge makes them."""

from __future__ import annotations

import math
from typing import Any

from geometry_msgs.msg import Twist
from nav_msgs.msg import Odometry
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.world.elements import Camera
from iot_fl_ros.world.motion import Motion

# What ros_gz_bridge offers and asks for on every topic: RELIABLE, VOLATILE, KEEP_LAST of this.
_QUEUE = 10
# Of what a patrol and a collector say of themselves.
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def bridge_qos() -> QoSProfile:
    """Return the profile of every bridged topic."""
    return QoSProfile(depth=_QUEUE)


def odometry(motion: Motion, stamp: Any, frame_id: str, child_frame_id: str) -> Odometry:
    """Return a motion as nav_msgs/Odometry; stamp: builtin_interfaces/Time."""
    message = Odometry()
    message.header.stamp, message.header.frame_id = stamp, frame_id
    message.child_frame_id = child_frame_id
    pose, twist = message.pose.pose, message.twist.twist
    pose.position.x, pose.position.y, pose.position.z = motion.position
    turn = pose.orientation
    turn.w, turn.x, turn.y, turn.z = motion.orientation
    twist.linear.x, twist.linear.y, twist.linear.z = motion.linear
    twist.angular.x, twist.angular.y, twist.angular.z = motion.angular
    return message


def motion_from(message: Any) -> Motion:
    """Return the motion in a nav_msgs/Odometry; MessageError if a number in it is none."""
    pose, twist = message.pose.pose, message.twist.twist
    turn = pose.orientation
    motion = Motion(
        (pose.position.x, pose.position.y, pose.position.z),
        (turn.w, turn.x, turn.y, turn.z),
        (twist.linear.x, twist.linear.y, twist.linear.z),
        (twist.angular.x, twist.angular.y, twist.angular.z),
    )
    if not all(map(math.isfinite, (*motion.position, *motion.orientation))):
        raise MessageError('bad pose', f'{motion.position}, {motion.orientation}')
    return motion


def camera_info(camera: Camera, stamp: Any) -> CameraInfo:
    """Return the intrinsics of a camera without distortion as sensor_msgs/CameraInfo."""
    focal = camera.width / 2 / math.tan(camera.horizontal_fov / 2)
    x, y = camera.width / 2, camera.height / 2
    message = CameraInfo(height=camera.height, width=camera.width, distortion_model='plumb_bob')
    message.header.stamp, message.header.frame_id = stamp, camera.frame_id
    message.d = [0.0] * 5
    message.k = [focal, 0.0, x, 0.0, focal, y, 0.0, 0.0, 1.0]
    message.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    message.p = [focal, 0.0, x, 0.0, 0.0, focal, y, 0.0, 0.0, 0.0, 1.0, 0.0]
    return message


def twist(linear: float, angular: float) -> Twist:
    """Return a speed ahead, m/s, and a turn rate, rad/s, as geometry_msgs/Twist."""
    message = Twist()
    message.linear.x, message.angular.z = linear, angular
    return message
