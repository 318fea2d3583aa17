"""The tram node: one or several robots of a Tram-FL fleet, through which tokens travel."""

from __future__ import annotations

from iot_fl_ros.nodes.process import catch_signals

catch_signals()

from functools import partial  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from rclpy.node import Node  # noqa: E402

from iot_fl_ros.core.config import refuse_unknown  # noqa: E402
from iot_fl_ros.core.errors import ConfigError  # noqa: E402
from iot_fl_ros.core.events import Leave  # noqa: E402
from iot_fl_ros.core.store import FolderStore, Store  # noqa: E402
from iot_fl_ros.learning.outputs import RunWriter  # noqa: E402
from iot_fl_ros.learning.settings import NodeSettings  # noqa: E402
from iot_fl_ros.learning.tram.jobs import TramWorker  # noqa: E402
from iot_fl_ros.learning.tram.machine import TramMachine  # noqa: E402
from iot_fl_ros.learning.tram.settings import TramNodeSettings, tram_setting_names  # noqa: E402
from iot_fl_ros.nodes.process import WORKER_TIMEOUT, run  # noqa: E402
from iot_fl_ros.nodes.robots import RobotsApplication  # noqa: E402
from iot_fl_ros.ros.diagnostics import Diagnostics  # noqa: E402
from iot_fl_ros.ros.driver import MachineDriver  # noqa: E402
from iot_fl_ros.ros.parameters import declare, overrides_of  # noqa: E402
from iot_fl_ros.ros.topics import TRAM_ROLE  # noqa: E402
from iot_fl_ros.ros.tram_diagnostics import describe_tram  # noqa: E402
from iot_fl_ros.ros.worker import WorkerThread  # noqa: E402


class TramNode(Node):
    """One robot: takes tokens in its own namespace, trains them, passes them on.

    index: position among the robots of this process; it moves data.partition_index on.
    """

    def __init__(
        self, thread: WorkerThread, robot_id: str = '', index: int = 0, **kwargs: Any
    ) -> None:
        super().__init__('tram', **kwargs)
        given = overrides_of(self)
        refuse_unknown(given, tram_setting_names())
        given['data.partition_index'] = given.get('data.partition_index', 0) + index
        self.settings = declare(self, TramNodeSettings, given)
        self.settings.check()
        self.robot_id = robot_id or self.settings.robot.id or self.get_namespace().strip('/')
        if self.robot_id not in self.settings.tram.ids:
            raise ConfigError(
                f'robot id is {self.robot_id!r}, which tram.robots does not name: set robot.id, '
                'or start the node in the namespace of a robot of the fleet'
            )
        self.finished = False
        self.machine = TramMachine(self.robot_id, self.settings)
        # Promises must not wait for a training to end before they are on disk.
        self._background = WorkerThread()
        self._driver = MachineDriver(
            self,
            TRAM_ROLE,
            self.machine,
            TramWorker(self.robot_id, self.settings, self._stores()),
            thread,
            namespace=self.settings.node.fleet_namespace,
            lease=self.settings.run.lease,
            record=self._recorder(),
            ended=self._ended,
            sent=self.machine.note_sent,
            background=self._background,
        )
        self._diagnostics = Diagnostics(self)

    @property
    def node_settings(self) -> NodeSettings:
        """How the process uses its machine."""
        return self.settings.node

    def start(self) -> None:
        """Begin to take part."""
        self._driver.start()
        self._diagnostics.start(lambda: [describe_tram(self.machine)])

    def leave(self) -> None:
        """Say goodbye and stop."""
        self._driver.tell(Leave())
        self._driver.stop()
        self._background.stop(WORKER_TIMEOUT)

    def _folder(self) -> Path | None:
        output = self.settings.run.output
        return Path(output).expanduser() / self.robot_id if output else None

    def _stores(self) -> Any:
        """Return how to get a store by name: in robot.checkpoint_dir, else beside the events."""
        kept = self.settings.robot.checkpoint_dir
        folder = Path(kept).expanduser() / self.robot_id if kept else self._folder()
        if folder is None:
            self.get_logger().warning(
                'neither run.output nor robot.checkpoint_dir is set: after a restart this robot '
                'waits for a lease before it votes, and has no copy of a token'
            )
        return partial(_store, None if folder is None else folder / 'checkpoints')

    def _recorder(self) -> Any:
        folder = self._folder()
        return RunWriter(folder, self.settings.flat(), None).record if folder else None

    def _ended(self) -> None:
        self.get_logger().info(f'{self.robot_id}: run over, accuracy {self.machine.accuracy:.3f}')
        self.finished = self.settings.node.exit_when_finished


def _store(folder: Path | None, name: str) -> Store | None:
    return None if folder is None else FolderStore(folder / name)


def main(args: list[str] | None = None) -> int:
    """Run until the end of the run (exit_when_finished), SIGINT or SIGTERM."""
    return run(partial(RobotsApplication, TramNode, 'tram'), args)


if __name__ == '__main__':
    raise SystemExit(main())
