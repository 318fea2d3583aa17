"""The learner: one or several robots that take part in whatever run the fleet has."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import BatteryState

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.core.messages.delivery import Role
from iot_fl_ros.core.messages.federation import AGGREGATOR
from iot_fl_ros.core.run_folder import own
from iot_fl_ros.core.store import FolderStore
from iot_fl_ros.federation.robot import RobotMachine
from iot_fl_ros.federation.settings import LearnerSettings, fleet_setting_names
from iot_fl_ros.federation.workers import RobotWorker
from iot_fl_ros.nodes.application import Threads, robots
from iot_fl_ros.nodes.participant import ParticipantNode, own_robot_id
from iot_fl_ros.nodes.process import run
from iot_fl_ros.ros.diagnostics import describe_robot
from iot_fl_ros.ros.driver import MachineDriver
from iot_fl_ros.ros.parameters import declare

_REMEDY = 'set robot.id or start the node in a namespace'


class LearnerNode(ParticipantNode):
    """One robot: publishes robot_status and updates, takes plans and global tensors.

    index: position among the robots of this process.
    """

    def __init__(
        self, threads: Threads, robot_id: str = '', index: int = 0, **kwargs: Any
    ) -> None:
        super().__init__('learner', threads, **kwargs)
        given = self.given(fleet_setting_names(), index=index, methods=True)
        self.settings = declare(self, LearnerSettings, given)
        self.process_settings = self.settings.node
        robot = self.settings.robot
        self.robot_id = own_robot_id(self, robot_id or robot.id, _REMEDY, in_topics=False)
        if self.robot_id == AGGREGATOR:
            raise ConfigError(f'robot id is {self.robot_id!r}, which is taken: {_REMEDY}')
        data = self.settings.data.of_robot(self.robot_id)
        self.settings = dataclasses.replace(self.settings, data=data)
        self._charge = math.nan
        self.machine = self._new_machine()
        if robot.battery_topic:
            # Best effort, so that it matches whatever the battery's driver offers.
            self.create_subscription(
                BatteryState, robot.battery_topic, self._battery, qos_profile_sensor_data
            )
        kept = robot.checkpoint_dir
        self._folder = Path(kept).expanduser() / self.robot_id if kept else None
        store = FolderStore(self._folder) if self._folder else None
        self._worker = RobotWorker(self.robot_id, self.settings, store)
        self.offer_model(self.robot_id, self._folder)

    def make_driver(self) -> MachineDriver:
        """Return a driver around a machine that knows of no run yet."""
        if self._folder:
            own(self._folder)
        self.machine = self._new_machine()
        return self.drive(
            Role.ROBOT,
            self.machine,
            self._worker,
            ended=self._ended,
            sent=self.machine.endpoint.note_sent,
        )

    def describe(self, now: float) -> Iterable[DiagnosticStatus]:
        """Yield the robot's status."""
        yield describe_robot(self.machine)

    def _new_machine(self) -> RobotMachine:
        robot = self.settings.robot
        machine = RobotMachine(self.robot_id, robot.trusted, robot.tags)
        machine.note_battery(self._charge)
        return machine

    def _battery(self, message: BatteryState) -> None:
        charge = float(message.percentage)
        if not (math.isnan(charge) or 0.0 <= charge <= 1.0):
            self.get_logger().warning(
                f'battery percentage is {charge:g}, not 0..1: taken as unknown',
                throttle_duration_sec=60.0,
            )
        self._charge = charge
        self.machine.note_battery(charge)

    def _ended(self, problem: str) -> None:
        text = f'{self.robot_id}: run over, accuracy {self.machine.accuracy:.3f}'
        self.ended(text, self.settings.node, problem)


def main(args: list[str] | None = None) -> int:
    """Run until the end of the run (exit_when_finished), SIGINT or SIGTERM."""
    return run(robots(LearnerNode, 'learner'), args)
