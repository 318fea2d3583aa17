"""The head: pictures of a robot's camera in, feature packets for the edge out."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.qos import qos_profile_sensor_data
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CompressedImage, Image

from iot_fl_ros.core.config import setting_names
from iot_fl_ros.core.events import Event, PictureArrived, SwitchRequested
from iot_fl_ros.core.messages.delivery import Role
from iot_fl_ros.nodes.application import Threads, one
from iot_fl_ros.nodes.participant import ParticipantNode, own_robot_id
from iot_fl_ros.nodes.process import run
from iot_fl_ros.ros.awaited import AwaitedTopic
from iot_fl_ros.ros.convert import source_header
from iot_fl_ros.ros.diagnostics import describe_head
from iot_fl_ros.ros.driver import MachineDriver
from iot_fl_ros.ros.edge_answers import OwnAnswers
from iot_fl_ros.ros.images import to_rgb
from iot_fl_ros.ros.late_service import LateService
from iot_fl_ros.ros.parameters import declare
from iot_fl_ros.split.head import HeadMachine
from iot_fl_ros.split.jobs import HeadWorker
from iot_fl_ros.split.settings import HeadNodeSettings
from iot_fl_ros.srv import SwitchSplit

_RAW, _COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
# What takes the other type, by that type.
_TRANSPORTS = {_COMPRESSED: 'set image_transport:=compressed', _RAW: 'set image_transport:=raw'}


class HeadNode(ParticipantNode):
    """Takes `image` (or `image/compressed`), offers `~/switch_split`.

    The edge's answers come out on `~/inference`; `~/annotated` shows them in the pictures.
    """

    def __init__(self, threads: Threads, **kwargs: Any) -> None:
        super().__init__('head', threads, **kwargs)
        self.settings = declare(
            self, HeadNodeSettings, self.given(setting_names(HeadNodeSettings))
        )
        self.process_settings = self.settings
        remedy = 'set robot_id, or start the head in a namespace'
        self._robot_id = own_robot_id(self, self.settings.robot_id, remedy)
        self._background = threads.beside()
        self.machine = self._new_machine()
        compressed = self.settings.image_transport == 'compressed'
        topic = 'image/compressed' if compressed else 'image'
        self._pictures = 0
        self._awaited = AwaitedTopic(
            self, topic, _COMPRESSED if compressed else _RAW, _TRANSPORTS.get,
            count=lambda: self._pictures,
        )  # fmt: skip
        self._own_answers = OwnAnswers(self, threads.beside())
        self.create_subscription(
            CompressedImage if compressed else Image,
            topic,
            self._picture,
            qos_profile_sensor_data,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        LateService(self, SwitchSplit, '~/switch_split', self._switch)

    def make_driver(self) -> MachineDriver:
        """Return a driver around a machine in a session of its own."""
        self.machine = self._new_machine()
        return self.drive(
            Role.HEAD,
            self.machine,
            HeadWorker(Path(self.settings.bundle_dir).expanduser(), to_rgb),
            background=self._background,
            deadline=self.settings.deadline,
            answered=self._own_answers.answer,
        )

    def begin(self) -> None:
        """Begin, and announce the first bundle."""
        super().begin()
        settings = self.settings
        self._tell(SwitchRequested(settings.bundle, settings.bits, self._first_switch))
        self._awaited.start()

    def pause(self) -> None:
        """Take no part until the next activation."""
        self._awaited.stop()
        super().pause()

    def describe(self, now: float) -> Iterable[DiagnosticStatus]:
        """Yield the head's status."""
        yield describe_head(self.machine, now, self._awaited.silence())

    def _new_machine(self) -> HeadMachine:
        settings = self.settings
        return HeadMachine(
            self._robot_id, secrets.randbits(32), settings.deadline, settings.switch_timeout
        )

    def _tell(self, event: Event) -> None:
        if self.driver:
            self.driver.tell(event)

    def _picture(self, message: Any) -> None:
        self._pictures += 1
        header = source_header(message.header)
        self._own_answers.picture(header.stamp, message)
        self._tell(PictureArrived(header, message))

    def _first_switch(self, success: bool, epoch: int, reason: str) -> None:
        if success:
            self.get_logger().info(
                f'an edge is ready: epoch {epoch}, {self.settings.bundle}; answers come on '
                f'{self.resolve_topic_name("~/inference")}'
            )
        elif self.driver:  # otherwise the head leaves before an edge came
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

        if self.driver:
            self._tell(SwitchRequested(request.bundle, request.bits, answer))
        else:
            answer(False, 0, 'the head is not active')


def main(args: list[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM."""
    return run(one(HeadNode), args)
