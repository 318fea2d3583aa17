"""Gazebo's place where there is no Gazebo: simulates the same world file, serves the same topics.

For each robot camera/image, camera/camera_info, odom and ground_truth out, cmd_vel in, and /clock:
names, types, frames and QoS are those of Gazebo behind ros_gz_bridge.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Twist
from nav_msgs.msg import Odometry
from rclpy.clock import Clock as RosClock
from rclpy.clock import ClockType
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image

from iot_fl_ros.core.config import setting
from iot_fl_ros.core.errors import ConfigError, SimulatorError
from iot_fl_ros.nodes.application import single
from iot_fl_ros.nodes.managed import ManagedNode
from iot_fl_ros.nodes.process import run
from iot_fl_ros.ros.images import from_rgb
from iot_fl_ros.ros.parameters import declared
from iot_fl_ros.ros.world_messages import bridge_qos, camera_info, odometry
from iot_fl_ros.world.elements import Model
from iot_fl_ros.world.motion import Motion
from iot_fl_ros.world.robot import MOST_ROBOTS
from iot_fl_ros.world.simulation import Every, Pace, Simulation
from iot_fl_ros.world.textures import prepare_world

# Of simulated time between two looks at the inbox and two ticks of /clock, s; shorter where
# something is published more often.
_SLICE = 0.02
_TICK = 0.001  # s of real time
_PATIENCE = 0.5
_WARN_PERIOD = 5.0


@dataclass(frozen=True)
class SimulatorSettings:
    """Settings of the simulator."""

    world: str = setting('', 'World file with its textures; empty = make the one of the package.')
    robots: int = setting(
        4, 'Number of robots, named robot_0 and so on.', minimum=1, maximum=MOST_ROBOTS
    )
    real_time_factor: float = setting(
        1.0, 'Simulated s in a real one, at most; 0 = as fast as it can.', minimum=0, maximum=100
    )
    image_rate: float = setting(
        0.0, "Pictures a second of each camera; 0 = the world's.", minimum=0, maximum=1000
    )
    duration: float = setting(0.0, 'Simulated s after which it ends; 0 = never.', minimum=0)


class SimulatorNode(ManagedNode):
    """Owns /clock, so its own timers follow real time. Deactivated, the world stands still."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('simulator', **kwargs)
        self.settings = declared(self, SimulatorSettings)
        if self.get_parameter('use_sim_time').value:
            raise ConfigError('use_sim_time is true: the simulator makes /clock, it cannot wait')
        world = Path(self.settings.world) if self.settings.world else prepare_world()
        self.simulation = Simulation.open(world, self.settings.robots)
        self._pace = Pace(self.settings.real_time_factor, _PATIENCE)
        self._ticks = self.create_publisher(Clock, '/clock', bridge_qos())
        self._outputs: list[Callable[[int, Time], None]] = []
        self._slice = _SLICE
        for robot in self.simulation.robots.values():
            self._serve(robot)
        self._steps = max(1, round(self._slice * 1e9 / self.simulation.step_ns))
        self.pictures = 0
        self._broken: SimulatorError | None = None
        self._real_time, self._began = 0.0, 0.0  # of all activations, start of this one; s

    def begin(self) -> None:
        """Begin to simulate, or go on."""
        self._began = time.monotonic()
        steady = RosClock(clock_type=ClockType.STEADY_TIME)
        self.until_pause(self.create_timer(_TICK, self._advance, clock=steady))

    def pause(self) -> None:
        """Let the world stand still until the next activation."""
        if self.works:
            self._real_time += time.monotonic() - self._began
        super().pause()

    @property
    def finished(self) -> bool:
        """True if the time to simulate is over, or nothing sensible is left to simulate."""
        return self._broken is not None or 0 < self.settings.duration <= self.simulation.time

    def close(self) -> None:
        """Say how fast it was and free the graphics; SimulatorError if it broke down."""
        self.pause()
        simulated, real = self.simulation.time, self._real_time
        self.get_logger().info(
            f'simulated {simulated:.1f} s in {real:.1f} s (real time factor '
            f'{simulated / real if real else 0.0:.2f}), {self.pictures} pictures'
        )
        self.simulation.close()
        if self._broken:
            raise self._broken

    def _serve(self, robot: Model) -> None:
        drive, truth = robot.drive, robot.truth
        if drive is None or truth is None:
            raise SimulatorError(f'{robot.name} lacks the plugin DiffDrive or OdometryPublisher')
        simulation, name = self.simulation, robot.name
        self.create_subscription(
            Twist, drive.topic, lambda message: self._drive(name, message), bridge_qos()
        )
        self._serve_motion(
            drive.odom_topic, drive.odom_rate, (drive.frame_id, drive.child_frame_id),
            lambda: simulation.odometry(name),
        )  # fmt: skip
        self._serve_motion(
            truth.topic, truth.rate, (truth.frame_id, truth.child_frame_id),
            lambda: simulation.ground_truth(name),
        )  # fmt: skip
        self._serve_camera(name)

    def _serve_motion(
        self, topic: str, rate: float, frames: tuple[str, str], motion: Callable[[], Motion]
    ) -> None:
        publisher, every = self.create_publisher(Odometry, topic, bridge_qos()), self._every(rate)

        def publish(now: int, stamp: Time) -> None:
            if every.due(now):
                publisher.publish(odometry(motion(), stamp, *frames))

        self._outputs.append(publish)

    def _serve_camera(self, robot: str) -> None:
        camera = self.simulation.camera(robot)
        images = self.create_publisher(Image, camera.topic, bridge_qos())
        infos = self.create_publisher(CameraInfo, camera.info_topic, bridge_qos())
        every = self._every(self.settings.image_rate or camera.rate)

        def publish(now: int, stamp: Time) -> None:
            if not every.due(now):
                return
            infos.publish(camera_info(camera, stamp))
            if images.get_subscription_count():  # lazy, as the bridge is
                picture = self.simulation.image(robot)
                images.publish(from_rgb(picture, stamp, camera.frame_id))
                self.pictures += 1

        self._outputs.append(publish)

    def _every(self, rate: float) -> Every:
        self._slice = min(self._slice, 1 / rate)
        return Every(rate)

    def _advance(self) -> None:
        """Simulate a slice, if it is time for it, and publish what is due."""
        if self.finished or not self._pace.allows(self.simulation.time, time.monotonic()):
            return
        try:
            self.simulation.step(self._steps)
        except SimulatorError as error:
            self._broken = error
            return
        now = self.simulation.time_ns
        stamp = Time(sec=now // 10**9, nanosec=now % 10**9)
        self._ticks.publish(Clock(clock=stamp))
        for publish in self._outputs:
            publish(now, stamp)

    def _drive(self, robot: str, message: Any) -> None:
        try:
            self.simulation.drive(robot, message.linear.x, message.angular.z)
        except ConfigError as error:
            self.get_logger().warning(str(error), throttle_duration_sec=_WARN_PERIOD)


def main(args: list[str] | None = None) -> int:
    """Run until the end of `duration`, SIGINT or SIGTERM."""
    return run(single(SimulatorNode), args, profile='camera')
