"""The tail: feature packets of a fleet in, answers out, on an edge computer."""

from __future__ import annotations

from iot_fl_ros.nodes.process import catch_signals

catch_signals()

from collections.abc import Sequence  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import torch  # noqa: E402
from rclpy.node import Node  # noqa: E402

from iot_fl_ros.core.config import refuse_unknown, settings_of  # noqa: E402
from iot_fl_ros.nodes.process import WORKER_TIMEOUT, run  # noqa: E402
from iot_fl_ros.ros.diagnostics import Diagnostics  # noqa: E402
from iot_fl_ros.ros.driver import MachineDriver  # noqa: E402
from iot_fl_ros.ros.parameters import declare, overrides_of  # noqa: E402
from iot_fl_ros.ros.split_diagnostics import describe_tail  # noqa: E402
from iot_fl_ros.ros.topics import TAIL_ROLE  # noqa: E402
from iot_fl_ros.ros.worker import WorkerThread  # noqa: E402
from iot_fl_ros.split.answers import AnswerSettings  # noqa: E402
from iot_fl_ros.split.emulated_links import EmulatedLinks  # noqa: E402
from iot_fl_ros.split.jobs import TailWorker  # noqa: E402
from iot_fl_ros.split.settings import TailNodeSettings  # noqa: E402
from iot_fl_ros.split.tail import TailMachine  # noqa: E402


class TailNode(Node):
    """Takes `feature_packets` and `split_info` of the fleet, answers on `/<robot>/inference`."""

    def __init__(self, thread: WorkerThread, background: WorkerThread, **kwargs: Any) -> None:
        super().__init__('tail', **kwargs)
        given = overrides_of(self)
        refuse_unknown(given, {item.name for item in settings_of(TailNodeSettings)})
        self.settings = declare(self, TailNodeSettings, given)
        self.settings.check()
        link = self.settings.link
        if not link.ideal:
            self.get_logger().warning(f'packets go over an emulated link: {link}')
        self.machine = TailMachine(
            self.settings.edge_id,
            self.settings.max_robots,
            self.settings.max_batch,
            self.settings.quiet_time,
        )
        wanted = AnswerSettings(self.settings.max_answers, self.settings.score_threshold)
        self._driver = MachineDriver(
            self,
            TAIL_ROLE,
            self.machine,
            TailWorker(Path(self.settings.bundle_dir).expanduser(), wanted),
            thread,
            background=background,
            namespace=self.settings.fleet_namespace,
            emulated=None if link.ideal else EmulatedLinks(link),
        )
        self._diagnostics = Diagnostics(self)

    def start(self) -> None:
        """Begin to answer."""
        self._driver.start()
        self._diagnostics.start(lambda: describe_tail(self.machine, self._driver.now()))

    def stop(self) -> None:
        """Answer nothing any more."""
        self._driver.stop()


class TailApplication:
    """The process of one tail."""

    def __init__(self) -> None:
        self._thread, self._background = WorkerThread(), WorkerThread()
        self._node = TailNode(self._thread, self._background)
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
    return run(TailApplication, args)


if __name__ == '__main__':
    raise SystemExit(main())
