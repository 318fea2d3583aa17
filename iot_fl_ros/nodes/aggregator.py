"""The aggregator node: runs the rounds of one federated run.

configure loads model and data, activate starts or resumes the run, deactivate stops it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

from iot_fl_ros.core.errors import IotFlError
from iot_fl_ros.core.events import LimitsChanged
from iot_fl_ros.core.messages.delivery import Role
from iot_fl_ros.core.run_files import RunWriter
from iot_fl_ros.core.run_folder import check_same_run, own
from iot_fl_ros.core.store import FolderStore, MemoryStore, Store
from iot_fl_ros.federation.aggregator import AggregatorMachine
from iot_fl_ros.federation.settings import (
    AggregatorSettings,
    default_config,
    fleet_setting_names,
    resolved,
)
from iot_fl_ros.federation.workers import AggregatorWorker
from iot_fl_ros.methods.method import StarMethod
from iot_fl_ros.methods.registry import DEFAULT_METHOD
from iot_fl_ros.nodes.application import Threads, one
from iot_fl_ros.nodes.participant import ParticipantNode
from iot_fl_ros.nodes.process import run
from iot_fl_ros.ros.diagnostics import describe_aggregator
from iot_fl_ros.ros.driver import MachineDriver
from iot_fl_ros.ros.parameters import declare

# Settings that may be changed while a run goes on.
_LIVE = ('run.deadline', 'run.quorum')


class AggregatorNode(ParticipantNode):
    """Publishes run_info, round_plan, global_tensors, round_report; takes statuses and updates."""

    machine: AggregatorMachine

    def __init__(self, threads: Threads, **kwargs: Any) -> None:
        super().__init__('aggregator', threads, **kwargs)
        given = self.given(fleet_setting_names(), methods=True)
        self.settings = declare(self, AggregatorSettings, given, live=_LIVE)
        self.add_post_set_parameters_callback(self._parameters_changed)
        self.process_settings = self.settings.node
        self._method_name, self._method = self.declare_method(given, StarMethod, DEFAULT_METHOD)
        self._worker: AggregatorWorker | None = None
        # Without a folder a run that was deactivated goes on as long as the node is configured.
        self._store: Store | None = None
        self.offer_model(self.settings.run.name, self._folder())

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load data and model."""
        try:
            folder = self._folder()
            self._store = FolderStore(folder / 'checkpoints') if folder else MemoryStore()
            self._worker = AggregatorWorker(
                self.settings, self._method_name, self._method, self._store
            )
        except (IotFlError, OSError) as error:
            self.get_logger().error(f'cannot configure: {error}')
            return TransitionCallbackReturn.FAILURE
        return super().on_configure(state)

    def make_driver(self) -> MachineDriver:
        """Return a driver around a machine that starts the run, or resumes it."""
        assert self._worker is not None
        config = resolved(self.settings, self._method_name, self._method)
        folder, resume = self._folder(), self.settings.run.resume
        if folder:
            own(folder)
            if resume:
                check_same_run(folder, config, default_config(self._method))
        if not resume and self._store:
            self._store.clear()  # before the settings in the folder are others
        restored = self._worker.restore() if resume else None
        writer = (
            RunWriter(folder, config, restored[0]['round'] if restored else 0) if folder else None
        )
        self.machine = AggregatorMachine(
            self.settings.run,
            self._worker.info,
            self._worker.initial_global(),
            restored,
            self.settings.select,
        )
        return self.drive(
            Role.AGGREGATOR,
            self.machine,
            self._worker,
            lease=self.settings.run.lease,
            chunk_count=self.machine.global_chunk_count,
            record=writer.record if writer else None,
            ended=self._ended,
        )

    def describe(self, now: float) -> Iterable[DiagnosticStatus]:
        """Yield the status of the run and of each robot."""
        return describe_aggregator(self.machine, now)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Forget data and model."""
        self._worker = None
        return super().on_cleanup(state)

    def _parameters_changed(self, parameters: Sequence[Parameter]) -> None:
        """Take other limits of rounds, while a run goes on or for the next one."""
        if not any(parameter.name in _LIVE for parameter in parameters):
            return
        deadline, quorum = (self.get_parameter(name).value for name in _LIVE)
        run = dataclasses.replace(self.settings.run, deadline=deadline, quorum=quorum)
        self.settings = dataclasses.replace(self.settings, run=run)
        if self.driver:
            self.driver.tell(LimitsChanged(deadline, quorum))

    def _ended(self, problem: str) -> None:
        self.ended(f'run {self.settings.run.name!r} is over', self.settings.node, problem)

    def _folder(self) -> Path | None:
        output = self.settings.run.output
        return Path(output).expanduser() if output else None


def main(args: list[str] | None = None) -> int:
    """Run until the end of the run (exit_when_finished), SIGINT or SIGTERM."""
    return run(one(AggregatorNode), args)
