"""The life of a node's process: it starts quietly, spins, and ends with code 0 when asked to.

Nothing slow is imported at its top: `launcher` imports it to take the signals before all else.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iot_fl_ros.nodes.application import Application

_SPIN_TIMEOUT = 0.2
# How long an orderly end waits for the job at hand, s.
WORKER_TIMEOUT = 3.0

_stop_requested = False
_started = False


def _request_stop(signum: int, frame: FrameType | None) -> None:
    global _stop_requested
    _stop_requested = True
    if not _started:
        os._exit(0)  # nothing exists yet that would need an orderly end


def catch_signals() -> None:
    """Let SIGINT and SIGTERM ask for an end instead of raising somewhere."""
    signal.signal(signal.SIGINT, _request_stop)
    signal.signal(signal.SIGTERM, _request_stop)


def run(
    build: Callable[[], Application], args: list[str] | None, profile: str | None = None
) -> int:
    """Build the application, spin until a signal or its end, and leave the process.

    profile: network profile unless the environment names one. Exit code: 0 after an orderly end,
    1 with one line on stderr if it could not be built, or had to say so at its end.
    """
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    from iot_fl_ros.core.errors import IotFlError
    from iot_fl_ros.nodes.startup_lock import one_at_a_time
    from iot_fl_ros.ros.network_profile import DEFAULT, use_network_profile

    try:
        use_network_profile(profile or DEFAULT)
    except IotFlError as error:
        print(f'error: {error}', file=sys.stderr)
        return _leave(1)
    # The worker and the executor hand over often: the default of 5 ms would be felt.
    sys.setswitchinterval(0.0005)

    def built() -> Application:
        with one_at_a_time():  # the first node joins DDS
            rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
            return build()

    code = _live(built)
    # With the last reference to a node goes its shared memory, which would outlive the process.
    gc.collect()
    rclpy.try_shutdown()
    return _leave(code)


def _live(build: Callable[[], Application]) -> int:
    """Build the application and spin until its end; nothing of it is left. Return the code."""
    global _started
    from iot_fl_ros.core.errors import IotFlError

    try:
        application = build()
        executor = make_executor(application)
        for node in application.nodes:
            executor.add_node(node)
        application.start()
    except IotFlError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    _started = True
    failed = _fails(lambda: _spin(executor, application))
    failed |= _fails(application.close)  # even then: a robot must stop, samples must be written
    executor.shutdown()
    for node in application.nodes:
        node.destroy_node()
    return int(failed)


def _spin(executor: Any, application: Application) -> None:
    while not (_stop_requested or application.finished):
        # Not spin(): the EventsExecutor of the Jazzy and Kilted wheels never runs callbacks there.
        executor.spin_once(timeout_sec=_SPIN_TIMEOUT)


def _fails(step: Callable[[], None]) -> bool:
    """Do a step; return whether it failed, and say why: in a line, or as a fault of ours."""
    from iot_fl_ros.core.errors import IotFlError

    try:
        step()
    except IotFlError as error:
        print(f'error: {error}', file=sys.stderr)
    except Exception:
        traceback.print_exc()
    else:
        return False
    return True


def make_executor(application: Application) -> Any:
    """Return an executor for the application's nodes.

    Not the EventsExecutor if one of them follows /clock: with it, a timer of 10 s of simulated
    time was once seen to fire eleven times in a moment, and then not for 100 s.
    """
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.experimental import EventsExecutor

    simulated = any(node.get_parameter('use_sim_time').value for node in application.nodes)
    events = application.use_events_executor and not simulated
    return EventsExecutor() if events else SingleThreadedExecutor()


def _leave(code: int) -> int:
    """End at once: a worker deep in torch must not keep, or crash, the interpreter's own end."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
