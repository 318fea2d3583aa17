"""The aggregator node: runs the rounds of one federated run. A lifecycle node.

configure loads model and data, activate starts or resumes the run, deactivate stops it.
"""

from __future__ import annotations

from iot_fl_ros.nodes.process import catch_signals

catch_signals()

from collections.abc import Sequence  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import torch  # noqa: E402
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn  # noqa: E402

from iot_fl_ros.core.config import refuse_unknown  # noqa: E402
from iot_fl_ros.core.errors import IotFlError  # noqa: E402
from iot_fl_ros.core.store import FolderStore, MemoryStore, Store  # noqa: E402
from iot_fl_ros.learning.aggregator import AggregatorMachine  # noqa: E402
from iot_fl_ros.learning.jobs import AggregatorWorker  # noqa: E402
from iot_fl_ros.learning.outputs import RunWriter  # noqa: E402
from iot_fl_ros.learning.registry import METHODS, method_settings  # noqa: E402
from iot_fl_ros.learning.settings import (  # noqa: E402
    AggregatorSettings,
    fleet_setting_names,
    resolved,
)
from iot_fl_ros.nodes.process import WORKER_TIMEOUT, run  # noqa: E402
from iot_fl_ros.ros.diagnostics import Diagnostics, describe_aggregator  # noqa: E402
from iot_fl_ros.ros.driver import MachineDriver  # noqa: E402
from iot_fl_ros.ros.parameters import declare, overrides_of  # noqa: E402
from iot_fl_ros.ros.topics import AGGREGATOR_ROLE  # noqa: E402
from iot_fl_ros.ros.worker import WorkerThread  # noqa: E402

METHOD_PREFIX = 'method.'


class AggregatorNode(LifecycleNode):
    """Publishes run_info, round_plan, global_tensors, round_report; takes statuses and updates."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__('aggregator', **kwargs)
        given = overrides_of(self)
        method = {
            k.removeprefix(METHOD_PREFIX): v
            for k, v in given.items()
            if k.startswith(METHOD_PREFIX)
        }
        refuse_unknown(
            given, {*fleet_setting_names(), 'autostart', *(METHOD_PREFIX + k for k in method)}
        )
        self.settings = declare(self, AggregatorSettings, given)
        name, self._method_settings = method_settings(method)
        self.declare_parameter(METHOD_PREFIX + 'name', name, ignore_override=True)
        declare(self, METHODS.get(name).Settings, given, METHOD_PREFIX)
        self._method_name = name
        self.autostart = bool(self.declare_parameter('autostart', True).value)
        self.finished = False
        self._thread = WorkerThread()
        self._diagnostics = Diagnostics(self)
        self._worker: AggregatorWorker | None = None
        self._store: Store | None = None
        self._driver: MachineDriver | None = None
        self.machine: AggregatorMachine | None = None

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load data and model."""
        try:
            torch.set_num_threads(self.settings.node.threads)
            folder = self._folder()
            self._store = FolderStore(folder / 'checkpoints') if folder else MemoryStore()
            self._worker = AggregatorWorker(
                self.settings, self._method_name, self._method_settings, self._store
            )
        except (IotFlError, OSError) as error:
            self.get_logger().error(f'cannot configure: {error}')
            return TransitionCallbackReturn.FAILURE
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start the run, or resume it from its checkpoint."""
        assert self._worker is not None
        try:
            restored = self._worker.restore() if self.settings.run.resume else None
            initial = self._worker.initial_global()
            writer = self._writer(restored[0]['round'] if restored else 0)
        except (IotFlError, OSError) as error:
            self.get_logger().error(f'cannot start: {error}')
            return TransitionCallbackReturn.FAILURE
        run_settings = self.settings.run
        self.machine = AggregatorMachine(
            run_settings, self._worker.info, initial, restored, self.settings.select
        )
        self._driver = MachineDriver(
            self,
            AGGREGATOR_ROLE,
            self.machine,
            self._worker,
            self._thread,
            namespace=self.settings.node.fleet_namespace,
            lease=run_settings.lease,
            chunk_count=self.machine.global_chunk_count,
            record=writer.record if writer else None,
            ended=self._ended,
        )
        self._driver.start()
        machine, driver = self.machine, self._driver
        self._diagnostics.start(lambda: describe_aggregator(machine, driver.now()))
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop the run where it is; activate resumes it."""
        self._stop()
        return super().on_deactivate(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop the run where it is, for ever."""
        self._stop()
        return super().on_shutdown(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Forget data and model."""
        self._worker = None
        return super().on_cleanup(state)

    def close(self) -> None:
        """Stop the run and the worker; a checkpoint that is being written is finished first."""
        self._stop()
        self._thread.stop(WORKER_TIMEOUT)

    def _stop(self) -> None:
        if self._driver:
            self._diagnostics.stop()
            self._driver.stop()
            self._driver = None

    def _ended(self) -> None:
        self.get_logger().info(f'run {self.settings.run.name!r} is over')
        self.finished = self.settings.node.exit_when_finished

    def _folder(self) -> Path | None:
        output = self.settings.run.output
        return Path(output).expanduser() if output else None

    def _writer(self, last_round: int) -> RunWriter | None:
        folder = self._folder()
        if folder is None:
            return None
        config = resolved(self.settings, self._method_name, self._method_settings)
        return RunWriter(folder, config, last_round)


class AggregatorApplication:
    """The process of one aggregator."""

    def __init__(self) -> None:
        self._node = AggregatorNode()
        self.nodes: Sequence[Any] = [self._node]
        self.use_events_executor: bool = self._node.settings.node.use_events_executor

    def start(self) -> None:
        """Configure and activate, unless somebody else manages the life cycle."""
        if self._node.autostart:
            configured = self._node.trigger_configure()
            if configured is not TransitionCallbackReturn.SUCCESS:
                raise IotFlError('the aggregator could not be configured, see its log')
            if self._node.trigger_activate() is not TransitionCallbackReturn.SUCCESS:
                raise IotFlError('the aggregator could not be activated, see its log')

    @property
    def finished(self) -> bool:
        """Whether the run is over and the process was asked to end with it."""
        return self._node.finished

    def close(self) -> None:
        """Stop in good order."""
        self._node.close()


def main(args: list[str] | None = None) -> int:
    """Run until the end of the run (exit_when_finished), SIGINT or SIGTERM."""
    return run(AggregatorApplication, args)


if __name__ == '__main__':
    raise SystemExit(main())
