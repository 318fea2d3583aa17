"""The base of every node around a state machine: a lifecycle, a driver and diagnostics.

activate begins to take part, deactivate leaves in good order; a robot that needs its processor for
something else is deactivated and activated again later, and then begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from std_srvs.srv import Trigger

from iot_fl_ros.core.config import refuse_unknown
from iot_fl_ros.core.errors import ConfigError, IotFlError, MessageError
from iot_fl_ros.core.machine import Machine, Worker
from iot_fl_ros.core.messages.delivery import Role
from iot_fl_ros.core.names import check_robot_id
from iot_fl_ros.methods.registry import METHODS, method_settings
from iot_fl_ros.nodes.application import FAREWELL, Threads
from iot_fl_ros.nodes.managed import AUTOSTART, ManagedNode
from iot_fl_ros.ros.diagnostics import Diagnostics, status
from iot_fl_ros.ros.driver import MachineDriver
from iot_fl_ros.ros.late_service import LateService
from iot_fl_ros.ros.parameters import declare, overrides_of
from iot_fl_ros.training.saved_model import FILE
from iot_fl_ros.training.settings import NodeSettings

METHOD_PREFIX = 'method.'
_MODELS = '~/.local/share/iot_fl_ros/models'


class ProcessSettings(Protocol):
    """Settings of a process on its computer."""

    @property
    def fleet_namespace(self) -> str:
        """Namespace of the topics that the fleet shares."""

    @property
    def threads(self) -> int:
        """Torch threads of the process."""

    @property
    def use_events_executor(self) -> bool:
        """True to spin with rclpy's EventsExecutor."""


class ParticipantNode(ManagedNode):
    """A node around one machine; subclasses say which, and what it says on /diagnostics.

    `make_driver` is called at each activation.
    """

    process_settings: ProcessSettings

    def __init__(self, name: str, threads: Threads, **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        self.finished = False
        self.threads = threads
        self._driver: MachineDriver | None = None
        self._problem = ''
        self._diagnostics = Diagnostics(self)

    # --- for subclasses -------------------------------------------------------------------------

    def make_driver(self) -> MachineDriver:
        """Return a driver around a new machine; IotFlError or OSError if that cannot be."""
        raise NotImplementedError

    def describe(self, now: float) -> Iterable[DiagnosticStatus]:
        """Yield what the node says of itself."""
        raise NotImplementedError

    def given(
        self, known: Iterable[str], *, index: int = 0, methods: bool = False
    ) -> dict[str, Any]:
        """Return the parameters that were set; ConfigError for an unknown one.

        index: position among the robots of a process; it moves data.partition_index on. methods:
        parameters of methods are known too.
        """
        given = overrides_of(self)
        refuse_unknown(given, {*known, AUTOSTART, *(_method_names(given) if methods else ())})
        if index:
            given['data.partition_index'] = given.get('data.partition_index', 0) + index
        return given

    def declare_method(
        self, given: Mapping[str, Any], kind: type, default: str
    ) -> tuple[str, Any]:
        """Declare the parameters of the method that `given` names; return name and settings."""
        method = {n.removeprefix(METHOD_PREFIX): given[n] for n in _method_names(given)}
        name, settings = method_settings(method, kind, default)
        self.declare_parameter(METHOD_PREFIX + 'name', name, ignore_override=True)
        declare(self, METHODS.get(name).Settings, given, METHOD_PREFIX)
        return name, settings

    def drive(self, role: Role, machine: Machine, worker: Worker, **more: Any) -> MachineDriver:
        """Return a driver on the worker thread and the topics of this process.

        more: further arguments of MachineDriver.
        """
        return MachineDriver(
            self, role, machine, worker, self.threads.worker,
            namespace=self.process_settings.fleet_namespace, **more,
        )  # fmt: skip

    def ended(self, text: str, settings: NodeSettings, problem: str = '') -> None:
        """Note that the run is over; the process ends then if it was started for this run.

        problem: why nothing was achieved, if so; then the process ends with exit code 1.
        """
        self.get_logger().info(text)
        self._problem = problem
        self.finished = settings.exit_when_finished

    def offer_model(self, name: str, folder: Path | None) -> None:
        """Offer `~/save_model`, which writes the model as it is now, between two jobs.

        name: of the robot. folder: of its run; None = it has none, then among the user's models.
        """
        models = Path(_MODELS).expanduser() / name
        self._model_file = (folder or models) / FILE
        LateService(self, Trigger, '~/save_model', self._save_model)

    def _save_model(
        self, request: Trigger.Request, response: Trigger.Response, done: Callable[[], None]
    ) -> None:
        def answer(success: bool, text: str) -> None:
            response.success, response.message = success, text
            done()

        if self._driver is None:
            answer(False, 'the node is not active')
        else:
            self._driver.save_model(self._model_file, answer)

    # --- life cycle -----------------------------------------------------------------------------

    def start(self) -> None:
        """Configure and activate, unless somebody else manages the life cycle."""
        torch.set_num_threads(self.process_settings.threads)
        super().start()

    def close(self) -> None:
        """Stop, at the end of the process; IotFlError if its run achieved nothing."""
        super().close()
        if self._problem:
            raise IotFlError(self._problem)

    @property
    def works(self) -> bool:
        """True while it takes part."""
        return self._driver is not None

    @property
    def driver(self) -> MachineDriver | None:
        """The driver while the node is active."""
        return self._driver

    def begin(self) -> None:
        """Begin to take part."""
        self.threads.farewell = FAREWELL
        driver = self.make_driver()
        try:
            driver.start()
        except Exception:
            driver.stop()
            raise
        self._driver = driver
        self._problem = ''
        self._diagnostics.start(lambda: self._described(driver))

    def _described(self, driver: MachineDriver) -> Iterable[DiagnosticStatus]:
        yield from self.describe(driver.now())
        if driver.faults:
            name = f'iot_fl faults of {self.get_fully_qualified_name()}'
            text = f'{driver.faults} faults of this package, see the log'
            yield status(name, DiagnosticStatus.ERROR, text, {})

    def pause(self) -> None:
        """Say goodbye and stop; `begin` begins anew."""
        driver, self._driver = self._driver, None
        if driver:
            self._diagnostics.stop()
            self.threads.farewell = driver.leave(self.threads.farewell)


def own_robot_id(node: Node, wanted: str, remedy: str, *, in_topics: bool = True) -> str:
    """Return the id of the robot of a node: the wanted one, else that of its namespace.

    in_topics: it becomes a part of topics. ConfigError if it cannot be an id.
    """
    robot_id = (wanted or node.get_namespace().strip('/')).replace('/', '_')
    try:
        if in_topics or not robot_id:
            check_robot_id(robot_id)
    except MessageError as error:
        raise ConfigError(f'{error}: {remedy}') from error
    return robot_id


def _method_names(given: Mapping[str, Any]) -> list[str]:
    return [name for name in given if name.startswith(METHOD_PREFIX)]
