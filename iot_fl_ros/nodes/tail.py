"""The tail: feature packets of a fleet in, answers out, on an edge computer."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

from iot_fl_ros.core.config import setting_names
from iot_fl_ros.core.messages.delivery import Role
from iot_fl_ros.link.link import EmulatedLinks
from iot_fl_ros.nodes.application import Threads, one
from iot_fl_ros.nodes.participant import ParticipantNode
from iot_fl_ros.nodes.process import run
from iot_fl_ros.ros.diagnostics import describe_tail
from iot_fl_ros.ros.driver import MachineDriver
from iot_fl_ros.ros.parameters import declare
from iot_fl_ros.split.jobs import AnswerSettings, TailWorker
from iot_fl_ros.split.settings import TailNodeSettings
from iot_fl_ros.split.tail import TailMachine


class TailNode(ParticipantNode):
    """Takes `feature_packets` and `split_info` of the fleet, answers on `/<robot>/inference`."""

    def __init__(self, threads: Threads, **kwargs: Any) -> None:
        super().__init__('tail', threads, **kwargs)
        self.settings = declare(
            self, TailNodeSettings, self.given(setting_names(TailNodeSettings))
        )
        self.settings.check()
        self.process_settings = self.settings
        if not self.settings.link.ideal:
            self.get_logger().warning(f'packets go over an emulated link: {self.settings.link}')
        self._background = threads.beside()
        self.machine = self._new_machine()

    def make_driver(self) -> MachineDriver:
        """Return a driver around a machine that serves nobody yet."""
        settings = self.settings
        self.machine = self._new_machine()
        wanted = AnswerSettings(settings.max_answers, settings.score_threshold)
        return self.drive(
            Role.TAIL,
            self.machine,
            TailWorker(Path(settings.bundle_dir).expanduser(), wanted),
            background=self._background,
            emulated=None if settings.link.ideal else EmulatedLinks(settings.link),
        )

    def describe(self, now: float) -> Iterable[DiagnosticStatus]:
        """Yield the status of the edge and of each robot that it serves."""
        return describe_tail(self.machine, now)

    def _new_machine(self) -> TailMachine:
        settings = self.settings
        return TailMachine(
            settings.edge_id, settings.max_robots, settings.max_batch, settings.quiet_time
        )


def main(args: list[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM."""
    return run(one(TailNode), args)
