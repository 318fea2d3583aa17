"""The head: pictures of a robot's camera in, feature packets for the edge out."""

from __future__ import annotations

from iot_fl_ros.nodes.process import catch_signals

catch_signals()

import secrets  # noqa: E402
from collections.abc import Callable, Sequence  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import torch  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.qos import qos_profile_sensor_data  # noqa: E402
from rclpy.qos_overriding_options import QoSOverridingOptions  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image  # noqa: E402

from iot_fl_ros.core.config import refuse_unknown, settings_of  # noqa: E402
from iot_fl_ros.core.errors import ConfigError, MessageError  # noqa: E402
from iot_fl_ros.core.events import PictureArrived, SwitchRequested  # noqa: E402
from iot_fl_ros.core.names import check_robot_id  # noqa: E402
from iot_fl_ros.nodes.process import WORKER_TIMEOUT, run  # noqa: E402
from iot_fl_ros.ros.convert import source_header  # noqa: E402
from iot_fl_ros.ros.diagnostics import Diagnostics  # noqa: E402
from iot_fl_ros.ros.driver import MachineDriver  # noqa: E402
from iot_fl_ros.ros.images import to_rgb  # noqa: E402
from iot_fl_ros.ros.late_service import LateService  # noqa: E402
from iot_fl_ros.ros.parameters import declare, overrides_of  # noqa: E402
from iot_fl_ros.ros.split_diagnostics import describe_head  # noqa: E402
from iot_fl_ros.ros.topics import HEAD_ROLE  # noqa: E402
from iot_fl_ros.ros.worker import WorkerThread  # noqa: E402
from iot_fl_ros.split.head import HeadMachine  # noqa: E402
from iot_fl_ros.split.jobs import HeadWorker  # noqa: E402
from iot_fl_ros.split.settings import HeadNodeSettings  # noqa: E402
from iot_fl_ros.srv import SwitchSplit  # noqa: E402


class HeadNode(Node):
    """Takes `image` (or `image/compressed`), offers `~/switch_split`."""

    def __init__(self, thread: WorkerThread, background: WorkerThread, **kwargs: Any) -> None:
        super().__init__('head', **kwargs)
        given = overrides_of(self)
        refuse_unknown(given, {item.name for item in settings_of(HeadNodeSettings)})
        self.settings = declare(self, HeadNodeSettings, given)
        robot_id = self.settings.robot_id or self.get_namespace().strip('/').replace('/', '_')
        try:
            check_robot_id(robot_id)
        except MessageError as error:
            raise ConfigError(
                f'{error}: set robot_id, or start the head in a namespace'
            ) from error
        self.machine = HeadMachine(
            robot_id,
            secrets.randbits(32),
            self.settings.deadline,
            self.settings.switch_timeout,
        )
        self.driver = MachineDriver(
            self,
            HEAD_ROLE,
            self.machine,
            HeadWorker(Path(self.settings.bundle_dir).expanduser(), to_rgb),
            thread,
            background=background,
            namespace=self.settings.fleet_namespace,
            deadline=self.settings.deadline,
        )
        self._diagnostics = Diagnostics(self)

    def start(self) -> None:
        """Announce the first bundle and take pictures."""
        self.driver.start()
        self.driver.tell(
            SwitchRequested(self.settings.bundle, self.settings.bits, self._first_switch)
        )
        compressed = self.settings.image_transport == 'compressed'
        self.create_subscription(
            CompressedImage if compressed else Image,
            'image/compressed' if compressed else 'image',
            self._picture,
            qos_profile_sensor_data,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        LateService(self, SwitchSplit, '~/switch_split', self._switch)
        self._diagnostics.start(lambda: [describe_head(self.machine, self.driver.now())])

    def stop(self) -> None:
        """Send nothing any more."""
        self.driver.stop()

    def _picture(self, message: Any) -> None:
        self.driver.tell(PictureArrived(source_header(message.header), message))

    def _first_switch(self, success: bool, epoch: int, reason: str) -> None:
        if success:
            self.get_logger().info(
                f'an edge is ready: epoch {epoch}, {self.settings.bundle}; answers come on '
                f'/{self.machine.robot_id}/inference'
            )
        else:
            self.get_logger().error(f'cannot start with {self.settings.bundle!r}: {reason}')

    def _switch(
        self,
        request: SwitchSplit.Request,
        response: SwitchSplit.Response,
        done: Callable[[], None],
    ) -> None:
        """Answer when head and tail have changed, or have not."""

        def answer(success: bool, epoch: int, reason: str) -> None:
            response.success, response.epoch, response.message = success, epoch, reason
            done()

        self.driver.tell(SwitchRequested(request.bundle, request.bits, answer))


class HeadApplication:
    """The process of one head."""

    def __init__(self) -> None:
        self._thread, self._background = WorkerThread(), WorkerThread()
        self._node = HeadNode(self._thread, self._background)
        self.nodes: Sequence[Any] = (self._node,)
        self.finished = False
        self.use_events_executor: bool = self._node.settings.use_events_executor
        torch.set_num_threads(self._node.settings.threads)

    def start(self) -> None:
        """Begin."""
        self._node.start()

    def close(self) -> None:
        """Stop."""
        self._node.stop()
        self._background.stop(0.0)
        self._thread.stop(WORKER_TIMEOUT)


def main(args: list[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM."""
    return run(HeadApplication, args)


if __name__ == '__main__':
    raise SystemExit(main())
