"""The peer: one or several robots of a mesh that learns without a server."""

from __future__ import annotations

from iot_fl_ros.nodes.process import catch_signals

catch_signals()

from collections.abc import Mapping, Sequence  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import torch  # noqa: E402
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
from iot_fl_ros.nodes.process import WORKER_TIMEOUT, run  # noqa: E402
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


class PeerApplication:
    """The process of one or several peers; they share one worker thread."""

    def __init__(self) -> None:
        self._thread = WorkerThread()
        several = [
            PeerNode(self._thread, robot_id, index, namespace=robot_id)
            for index, robot_id in enumerate(_robot_ids())
        ]
        self.nodes: Sequence[Any] = several or [PeerNode(self._thread)]
        node = self.nodes[0].settings.peer.node
        torch.set_num_threads(node.threads)
        self.use_events_executor: bool = node.use_events_executor

    def start(self) -> None:
        """Let every peer take part."""
        for peer in self.nodes:
            peer.start()

    @property
    def finished(self) -> bool:
        """Whether all peers are done and the process was asked to end with them."""
        return all(node.finished for node in self.nodes)

    def close(self) -> None:
        """Leave in good order."""
        for node in self.nodes:
            node.leave()
        self._thread.stop(WORKER_TIMEOUT)


def _robot_ids() -> list[str]:
    """Return robot.ids of the command line, read with a node that is gone before the others."""
    probe = Node('peer', start_parameter_services=False, enable_rosout=False)
    ids = overrides_of(probe).get('robot.ids', [])
    probe.destroy_node()
    return [robot_id for robot_id in ids if robot_id]


def main(args: list[str] | None = None) -> int:
    """Run until the end of the run (exit_when_finished), SIGINT or SIGTERM."""
    return run(PeerApplication, args)


if __name__ == '__main__':
    raise SystemExit(main())
