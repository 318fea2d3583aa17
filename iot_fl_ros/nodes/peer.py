"""The peer: one or several robots of a mesh that learns without a server."""

from __future__ import annotations

from iot_fl_ros.nodes.process import catch_signals

catch_signals()

from collections.abc import Mapping  # noqa: E402
from functools import partial  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from rclpy.node import Node  # noqa: E402

from iot_fl_ros.core.config import refuse_unknown  # noqa: E402
from iot_fl_ros.core.errors import ConfigError, MessageError  # noqa: E402
from iot_fl_ros.core.events import Leave  # noqa: E402
from iot_fl_ros.core.names import check_robot_id  # noqa: E402
from iot_fl_ros.core.store import FolderStore  # noqa: E402
from iot_fl_ros.learning.mesh_settings import (  # noqa: E402
    MeshRunSettings,
    PeerSettings,
    peer_setting_names,
)
from iot_fl_ros.learning.outputs import RunWriter  # noqa: E402
from iot_fl_ros.learning.peer import PeerMachine  # noqa: E402
from iot_fl_ros.learning.peer_jobs import PeerWorker  # noqa: E402
from iot_fl_ros.learning.peer_registry import PEER_METHODS, peer_method_settings  # noqa: E402
from iot_fl_ros.learning.settings import NodeSettings  # noqa: E402
from iot_fl_ros.nodes.process import run  # noqa: E402
from iot_fl_ros.nodes.robots import RobotsApplication  # noqa: E402
from iot_fl_ros.ros.diagnostics import Diagnostics, describe_peer  # noqa: E402
from iot_fl_ros.ros.driver import MachineDriver  # noqa: E402
from iot_fl_ros.ros.parameters import declare, overrides_of  # noqa: E402
from iot_fl_ros.ros.topics import PEER_ROLE  # noqa: E402
from iot_fl_ros.ros.worker import WorkerThread  # noqa: E402

METHOD_PREFIX = 'method.'


class PeerNode(Node):
    """One peer: publishes peer_status and, in its own namespace, peer_updates.

    index: position among the robots of this process; it moves data.partition_index on.
    """

    def __init__(
        self, thread: WorkerThread, robot_id: str = '', index: int = 0, **kwargs: Any
    ) -> None:
        super().__init__('peer', **kwargs)
        self.settings = self._declare(index)
        peer = self.settings.peer
        self.robot_id = robot_id or peer.robot.id or self.get_namespace().strip('/')
        self.robot_id = self.robot_id.replace('/', '_')
        try:
            check_robot_id(self.robot_id)
        except MessageError as error:
            raise ConfigError(f'{error}: set robot.id or start in a namespace') from error
        self.finished = False
        folder = Path(peer.run.output).expanduser() / self.robot_id if peer.run.output else None
        self.folder = folder
        self._writer: RunWriter | None = None
        store = FolderStore(folder / 'checkpoints') if folder else None
        self.machine = PeerMachine(self.robot_id, peer.run, peer.mesh, peer.energy)
        self._driver = MachineDriver(
            self,
            PEER_ROLE,
            self.machine,
            PeerWorker(self.robot_id, self.settings, store),
            thread,
            namespace=peer.node.fleet_namespace,
            lease=peer.run.lease,
            record=self._record if folder else None,
            ended=self._ended,
            sent=self.machine.note_sent,
        )
        self._diagnostics = Diagnostics(self)

    def _declare(self, index: int) -> MeshRunSettings:
        given = overrides_of(self)
        method = {
            k.removeprefix(METHOD_PREFIX): v
            for k, v in given.items()
            if k.startswith(METHOD_PREFIX)
        }
        refuse_unknown(given, {*peer_setting_names(), *(METHOD_PREFIX + k for k in method)})
        given['data.partition_index'] = given.get('data.partition_index', 0) + index
        settings = declare(self, PeerSettings, given)
        name, method_settings = peer_method_settings(method)
        self.declare_parameter(METHOD_PREFIX + 'name', name, ignore_override=True)
        declare(self, PEER_METHODS.get(name).Settings, given, METHOD_PREFIX)
        return MeshRunSettings(settings, name, method_settings)

    @property
    def node_settings(self) -> NodeSettings:
        """How the process uses its machine."""
        return self.settings.peer.node

    def start(self) -> None:
        """Begin to take part."""
        self._driver.start()
        self._diagnostics.start(lambda: [describe_peer(self.machine)])

    def leave(self) -> None:
        """Say goodbye and stop."""
        self._driver.tell(Leave())
        self._driver.stop()

    def _record(self, row: Mapping[str, Any]) -> None:
        """Write a row; the first one says which rounds of a former life are good."""
        assert self.folder is not None
        if row['kind'] == 'start':
            self._writer = RunWriter(self.folder, self.settings.resolved(), row['round'] + 1)
        assert self._writer is not None
        self._writer.record(row)

    def _ended(self) -> None:
        self.get_logger().info(f'{self.robot_id}: run over, accuracy {self.machine.accuracy:.3f}')
        self.finished = self.settings.peer.node.exit_when_finished


def main(args: list[str] | None = None) -> int:
    """Run until the end of the run (exit_when_finished), SIGINT or SIGTERM."""
    return run(partial(RobotsApplication, PeerNode, 'peer'), args)


if __name__ == '__main__':
    raise SystemExit(main())
