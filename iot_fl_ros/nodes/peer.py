"""The peer: one or several robots of a mesh that learns without a server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

from iot_fl_ros.core.messages.delivery import Role
from iot_fl_ros.core.run_files import RunWriter
from iot_fl_ros.core.run_folder import check_same_run, own
from iot_fl_ros.core.store import FolderStore
from iot_fl_ros.mesh.peer import PeerMachine
from iot_fl_ros.mesh.settings import MeshRunSettings, PeerSettings, peer_setting_names
from iot_fl_ros.mesh.worker import PeerWorker
from iot_fl_ros.methods.method import MeshMethod
from iot_fl_ros.methods.registry import DEFAULT_MESH_METHOD
from iot_fl_ros.nodes.application import Threads, robots
from iot_fl_ros.nodes.participant import ParticipantNode, own_robot_id
from iot_fl_ros.nodes.process import run
from iot_fl_ros.ros.diagnostics import describe_peer
from iot_fl_ros.ros.driver import MachineDriver
from iot_fl_ros.ros.parameters import declare


class PeerNode(ParticipantNode):
    """One peer: publishes peer_status and, in its own namespace, peer_updates.

    index: position among the robots of this process.
    """

    def __init__(
        self, threads: Threads, robot_id: str = '', index: int = 0, **kwargs: Any
    ) -> None:
        super().__init__('peer', threads, **kwargs)
        given = self.given(peer_setting_names(), index=index, methods=True)
        peer = declare(self, PeerSettings, given)
        self.settings = MeshRunSettings(
            peer, *self.declare_method(given, MeshMethod, DEFAULT_MESH_METHOD)
        )
        self.process_settings = peer.node
        remedy = 'set robot.id or start in a namespace'
        self.robot_id = own_robot_id(self, robot_id or peer.robot.id, remedy)
        self.settings = self.settings.of_robot(self.robot_id)
        self.folder = (
            Path(peer.run.output).expanduser() / self.robot_id if peer.run.output else None
        )
        self._writer: RunWriter | None = None
        self.machine = self._new_machine()
        self.offer_model(self.robot_id, self.folder)

    def make_driver(self) -> MachineDriver:
        """Return a driver around a machine that goes on from its checkpoint."""
        peer = self.settings.peer
        store = FolderStore(self.folder / 'checkpoints') if self.folder else None
        if self.folder and store:
            own(self.folder)
            if peer.run.resume:
                usual = self.settings.usual().resolved()
                check_same_run(self.folder, self.settings.resolved(), usual)
            else:
                store.clear()  # before the settings in the folder are others
        self.machine = self._new_machine()
        return self.drive(
            Role.PEER,
            self.machine,
            PeerWorker(self.robot_id, self.settings, store),
            lease=peer.run.lease,
            record=self._record if self.folder else None,
            ended=self._ended,
            sent=self.machine.endpoint.note_sent,
        )

    def describe(self, now: float) -> Iterable[DiagnosticStatus]:
        """Yield the peer's status."""
        yield describe_peer(self.machine)

    def _new_machine(self) -> PeerMachine:
        peer = self.settings.peer
        return PeerMachine(self.robot_id, peer.run, peer.mesh, peer.energy)

    def _record(self, row: Mapping[str, Any]) -> None:
        """Write a row; the first one says which rounds of a former life are good."""
        assert self.folder is not None
        if row['kind'] == 'start':
            self._writer = RunWriter(self.folder, self.settings.resolved(), row['round'] + 1)
        assert self._writer is not None
        self._writer.record(row)

    def _ended(self, problem: str) -> None:
        text = f'{self.robot_id}: run over, accuracy {self.machine.accuracy:.3f}'
        self.ended(text, self.settings.peer.node, problem)


def main(args: list[str] | None = None) -> int:
    """Run until the end of the run (exit_when_finished), SIGINT or SIGTERM."""
    return run(robots(PeerNode, 'peer'), args)
