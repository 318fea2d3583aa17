"""The learner: one or several robots that take part in federated runs. A lifecycle node.

activate takes part in whatever run the fleet has, deactivate leaves it: a robot that needs its
processor for something else is deactivated and activated again later.
"""

from __future__ import annotations

from iot_fl_ros.nodes.process import catch_signals

catch_signals()

import math  # noqa: E402
from functools import partial  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn  # noqa: E402
from rclpy.qos import qos_profile_sensor_data  # noqa: E402
from sensor_msgs.msg import BatteryState  # noqa: E402

from iot_fl_ros.core.config import refuse_unknown  # noqa: E402
from iot_fl_ros.core.errors import ConfigError, IotFlError  # noqa: E402
from iot_fl_ros.core.events import Leave  # noqa: E402
from iot_fl_ros.core.messages import AGGREGATOR  # noqa: E402
from iot_fl_ros.core.store import FolderStore  # noqa: E402
from iot_fl_ros.learning.jobs import RobotWorker  # noqa: E402
from iot_fl_ros.learning.robot import RobotMachine  # noqa: E402
from iot_fl_ros.learning.settings import (  # noqa: E402
    LearnerSettings,
    NodeSettings,
    fleet_setting_names,
)
from iot_fl_ros.nodes.process import run  # noqa: E402
from iot_fl_ros.nodes.robots import RobotsApplication  # noqa: E402
from iot_fl_ros.ros.diagnostics import Diagnostics, describe_robot  # noqa: E402
from iot_fl_ros.ros.driver import MachineDriver  # noqa: E402
from iot_fl_ros.ros.parameters import declare, overrides_of  # noqa: E402
from iot_fl_ros.ros.topics import ROBOT_ROLE  # noqa: E402
from iot_fl_ros.ros.worker import WorkerThread  # noqa: E402


class LearnerNode(LifecycleNode):
    """One robot: publishes robot_status and updates, takes plans and global tensors.

    index: position among the robots of this process; it moves data.partition_index on.
    """

    def __init__(
        self, thread: WorkerThread, robot_id: str = '', index: int = 0, **kwargs: Any
    ) -> None:
        super().__init__('learner', **kwargs)
        given = overrides_of(self)
        others = {name for name in given if name.startswith('method.')} | {'autostart'}
        refuse_unknown(given, fleet_setting_names() | others)
        self.autostart = bool(self.declare_parameter('autostart', True).value)
        given['data.partition_index'] = given.get('data.partition_index', 0) + index
        self.settings = declare(self, LearnerSettings, given)
        self.robot_id = robot_id or self.settings.robot.id or self.get_namespace().strip('/')
        self.robot_id = self.robot_id.replace('/', '_')
        if not self.robot_id or self.robot_id == AGGREGATOR:
            raise ConfigError(
                f'robot id is {self.robot_id!r}: set robot.id or start the node in a namespace'
            )
        self.finished = False
        robot = self.settings.robot
        self.machine = self._new_machine()
        if robot.battery_topic:
            # Best effort, so that it matches whatever the battery's driver offers.
            self.create_subscription(
                BatteryState, robot.battery_topic, self._battery, qos_profile_sensor_data
            )
        folder = robot.checkpoint_dir
        store = FolderStore(Path(folder).expanduser() / self.robot_id) if folder else None
        self._worker = RobotWorker(self.robot_id, self.settings, store)
        self._thread = thread
        self._driver: MachineDriver | None = None
        self._diagnostics = Diagnostics(self)

    @property
    def node_settings(self) -> NodeSettings:
        """How the process uses its machine."""
        return self.settings.node

    def start(self) -> None:
        """Configure and activate, unless somebody else manages the life cycle."""
        if not self.autostart:
            return
        for step in (self.trigger_configure, self.trigger_activate):
            if step() is not TransitionCallbackReturn.SUCCESS:
                raise IotFlError(f'{self.robot_id} could not be activated, see its log')

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin to take part."""
        self._driver = MachineDriver(
            self,
            ROBOT_ROLE,
            self.machine,
            self._worker,
            self._thread,
            namespace=self.settings.node.fleet_namespace,
            ended=self._ended,
            sent=self.machine.note_sent,
        )
        self._driver.start()
        self._diagnostics.start(lambda: [describe_robot(self.machine)])
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Say goodbye and take part in nothing; the next activation begins anew."""
        self.leave()
        self.machine = self._new_machine()
        return super().on_deactivate(state)

    def leave(self) -> None:
        """Say goodbye and stop."""
        if self._driver:
            self._diagnostics.stop()
            self._driver.tell(Leave())
            self._driver.stop()
            self._driver = None

    def _new_machine(self) -> RobotMachine:
        robot = self.settings.robot
        return RobotMachine(self.robot_id, robot.trusted, robot.tags)

    def _battery(self, message: BatteryState) -> None:
        charge = float(message.percentage)
        if not (math.isnan(charge) or 0.0 <= charge <= 1.0):
            self.get_logger().warning(
                f'battery percentage is {charge:g}, not 0..1: taken as unknown',
                throttle_duration_sec=60.0,
            )
        self.machine.note_battery(charge)

    def _ended(self) -> None:
        self.get_logger().info(f'{self.robot_id}: run over, accuracy {self.machine.accuracy:.3f}')
        self.finished = self.settings.node.exit_when_finished


def main(args: list[str] | None = None) -> int:
    """Run until the end of the run (exit_when_finished), SIGINT or SIGTERM."""
    return run(partial(RobotsApplication, LearnerNode, 'learner'), args)


if __name__ == '__main__':
    raise SystemExit(main())
