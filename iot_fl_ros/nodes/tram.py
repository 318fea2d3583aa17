"""The tram node: one or several robots of a Tram-FL fleet, through which tokens travel."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.core.messages.delivery import Role
from iot_fl_ros.core.run_files import RunWriter
from iot_fl_ros.core.run_folder import check_same_run, own
from iot_fl_ros.core.store import FolderStore, Store
from iot_fl_ros.nodes.application import Threads, robots
from iot_fl_ros.nodes.participant import ParticipantNode, own_robot_id
from iot_fl_ros.nodes.process import run
from iot_fl_ros.ros.diagnostics import describe_tram
from iot_fl_ros.ros.driver import MachineDriver
from iot_fl_ros.ros.parameters import declare
from iot_fl_ros.token.node_machine import NodeMachine
from iot_fl_ros.token.settings import TramNodeSettings, tram_setting_names
from iot_fl_ros.token.worker import Stores, TramWorker

_REMEDY = (
    'set robot.id, or start the node in the namespace of a robot of the fleet, see tram.robots'
)


class TramNode(ParticipantNode):
    """One robot: takes tokens in its own namespace, trains them, passes them on.

    index: position among the robots of this process.
    """

    def __init__(
        self, threads: Threads, robot_id: str = '', index: int = 0, **kwargs: Any
    ) -> None:
        super().__init__('tram', threads, **kwargs)
        given = self.given(tram_setting_names(), index=index)
        self.settings = declare(self, TramNodeSettings, given)
        self.settings.check()
        self.process_settings = self.settings.node
        self.robot_id = own_robot_id(self, robot_id or self.settings.robot.id, _REMEDY)
        if self.robot_id not in self.settings.tram.ids:
            raise ConfigError(
                f'robot id is {self.robot_id!r}, which tram.robots does not name: {_REMEDY}'
            )
        data = self.settings.data.of_robot(self.robot_id)
        self.settings = dataclasses.replace(self.settings, data=data)
        self.machine = NodeMachine(self.robot_id, self.settings)
        # Its own: promises must not wait for a training, nor for those of another robot.
        self._background = threads.beside()
        self.offer_model(self.robot_id, self._folder())

    def make_driver(self) -> MachineDriver:
        """Return a driver around a machine that goes on from its promises and copies."""
        self.machine = NodeMachine(self.robot_id, self.settings)
        return self.drive(
            Role.TRAM,
            self.machine,
            TramWorker(self.robot_id, self.settings, self._stores()),
            lease=self.settings.run.lease,
            record=self._recorder(),
            ended=self._ended,
            sent=self.machine.endpoint.note_sent,
            background=self._background,
        )

    def describe(self, now: float) -> Iterable[DiagnosticStatus]:
        """Yield the robot's status."""
        yield describe_tram(self.machine)

    def _folder(self) -> Path | None:
        output = self.settings.run.output
        return Path(output).expanduser() / self.robot_id if output else None

    def _stores(self) -> Stores:
        """Return how to get a store by name: in robot.checkpoint_dir, else beside the events."""
        kept = self.settings.robot.checkpoint_dir
        folder = Path(kept).expanduser() / self.robot_id if kept else self._folder()
        if folder is None:
            self.get_logger().warning(
                'neither run.output nor robot.checkpoint_dir is set: after a restart this robot '
                'waits for a lease before it votes, and has no copy of a token'
            )
        else:
            own(folder)
        return partial(_store, None if folder is None else folder / 'checkpoints')

    def _recorder(self) -> Any:
        folder = self._folder()
        if folder is None:
            return None
        own(folder)
        check_same_run(folder, self.settings.flat(), TramNodeSettings().flat())
        return RunWriter(folder, self.settings.flat(), None).record

    def _ended(self, problem: str) -> None:
        text = f'{self.robot_id}: run over, accuracy {self.machine.accuracy:.3f}'
        self.ended(text, self.settings.node, problem)


def _store(folder: Path | None, name: str) -> Store | None:
    return None if folder is None else FolderStore(folder / name)


def main(args: list[str] | None = None) -> int:
    """Run until the end of the run (exit_when_finished), SIGINT or SIGTERM."""
    return run(robots(TramNode, 'tram'), args)
