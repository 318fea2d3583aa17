"""Drives one robot of the simulated world through its rooms, looking around on the way."""

from __future__ import annotations

from typing import Any

from geometry_msgs.msg import Twist
from nav_msgs.msg import Odometry
from rclpy.duration import Duration
from rclpy.node import Node
from std_msgs.msg import Bool

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.nodes.application import single
from iot_fl_ros.nodes.process import run
from iot_fl_ros.ros.parameters import declared
from iot_fl_ros.ros.world_messages import LATCHED, bridge_qos, motion_from, twist
from iot_fl_ros.world.patrol import STOP, Patrol, PatrolSettings, Velocity
from iot_fl_ros.world.routes import detour, rooms_of, tour

_WARN_PERIOD = 5.0
_LAST_WORD = 2.0  # how long to wait until the robot has heard that it is to stop, s
_STALE = 1.0  # without a pose for so long a robot must not drive on, s
_WATCH_PERIOD = 0.5


class PatrolNode(Node):
    """Takes poses and publishes `cmd_vel`; `patrol/finished` (latched) becomes true at the end."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('patrol', **kwargs)
        self.settings = declared(self, PatrolSettings)
        self._rooms = rooms_of(self.settings.route)
        self.patrol: Patrol | None = None  # from the first pose on
        self._began = 0.0
        self._heard: float | None = None
        self._commands = self.create_publisher(Twist, 'cmd_vel', bridge_qos())
        self._finished = self.create_publisher(Bool, 'patrol/finished', LATCHED)
        self._may_drive = not self.settings.wait_for

    def start(self) -> None:
        """Begin to listen for poses."""
        self._finished.publish(Bool(data=False))
        if self.settings.wait_for:
            self.create_subscription(Bool, self.settings.wait_for, self._on_permission, LATCHED)
        topic = self.settings.pose_topic
        self.create_subscription(Odometry, topic, self._on_pose, bridge_qos())
        self.create_timer(_WATCH_PERIOD, self._watch)

    @property
    def finished(self) -> bool:
        """True if the route is done and the process is to end then."""
        return self.route_done and self.settings.exit_when_finished

    @property
    def route_done(self) -> bool:
        """True if the route is done."""
        return self.patrol is not None and self.patrol.finished

    def close(self) -> None:
        """Stop the robot, and wait until it knows."""
        self._command(STOP)
        self._commands.wait_for_all_acked(Duration(seconds=_LAST_WORD))

    def _on_permission(self, message: Any) -> None:
        self._may_drive = self._may_drive or message.data

    def _on_pose(self, message: Any) -> None:
        try:
            motion = motion_from(message)
        except MessageError as error:
            self.get_logger().warning(str(error), throttle_duration_sec=_WARN_PERIOD)
            return
        self._heard = now = self._now()
        if not self._may_drive:
            return
        x, y, _ = motion.position
        if self.patrol is None:
            waypoints = tour(self._rooms, self.settings.loops, x, y)
            self.patrol = Patrol(waypoints, self.settings.speed, self.settings.turn_rate, detour)
            self._began = now
        if self.patrol.finished:
            return
        self._command(self.patrol.handle(x, y, motion.yaw, now))
        if self.patrol.finished:
            self._finished.publish(Bool(data=True))
            self.get_logger().info(f'patrol finished after {now - self._began:.1f} s')

    def _watch(self) -> None:
        """Stop a robot that nobody can see."""
        if self._heard is None or self.route_done or abs(self._now() - self._heard) < _STALE:
            return
        topic = self.resolve_topic_name(self.settings.pose_topic)
        self.get_logger().warning(
            f'no pose on {topic}: the robot stands', throttle_duration_sec=_WARN_PERIOD
        )
        self._command(STOP)

    def _command(self, velocity: Velocity) -> None:
        self._commands.publish(twist(velocity.linear, velocity.angular))

    def _now(self) -> float:
        return float(self.get_clock().now().nanoseconds * 1e-9)


def main(args: list[str] | None = None) -> int:
    """Run until the end of the route, SIGINT or SIGTERM."""
    return run(single(PatrolNode), args, profile='camera')
