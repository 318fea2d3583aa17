"""The nodes of a process, on one executor, and the worker threads that they share."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, Protocol

from rclpy.node import Node

from iot_fl_ros.nodes.process import WORKER_TIMEOUT
from iot_fl_ros.ros.parameters import overrides_of
from iot_fl_ros.ros.worker import WorkerThread


class ProcessNode(Protocol):
    """The part of a node that a process needs."""

    @property
    def finished(self) -> bool:
        """True if the process may end by itself."""

    def start(self) -> None:
        """Begin; IotFlError if it cannot."""

    def close(self) -> None:
        """Stop in good order; IotFlError if what was to be kept is lost."""


# Time for the last messages of all nodes of a process to be heard, s.
FAREWELL = 1.0


class Threads:
    """The worker of a process, and those beside it for jobs that must not wait for it.

    farewell: what is left of the time in which its nodes wait until others hear that they leave,
    s; together, as a process that takes long to end is killed.
    """

    def __init__(self) -> None:
        self.farewell = FAREWELL
        self.worker = WorkerThread()
        self._all = [self.worker]

    def beside(self) -> WorkerThread:
        """Return another thread, which ends with the process too."""
        self._all.append(WorkerThread())
        return self._all[-1]

    def stop(self, timeout: float = WORKER_TIMEOUT) -> None:
        """Begin no more jobs; wait up to `timeout` s, for all together, for those at hand."""
        end = time.monotonic() + timeout
        for thread in self._all:
            thread.ask_to_stop()
        for thread in self._all:
            thread.join(max(0.0, end - time.monotonic()))


class Application:
    """The process of the nodes that `make` returns."""

    def __init__(self, make: Callable[[Threads], Sequence[ProcessNode]]) -> None:
        self._threads = Threads()
        self.nodes: Sequence[Any] = make(self._threads)
        settings = getattr(self.nodes[0], 'process_settings', None)
        self.use_events_executor = settings is None or settings.use_events_executor

    def start(self) -> None:
        """Begin."""
        for node in self.nodes:
            node.start()

    @property
    def finished(self) -> bool:
        """True if all nodes have done what they were started for."""
        return all(node.finished for node in self.nodes)

    def close(self) -> None:
        """Stop all of them in good order, whatever one of them says."""
        with ExitStack() as last:
            last.callback(self._threads.stop)
            for node in reversed(self.nodes):
                last.callback(node.close)


def single(node: Callable[[], ProcessNode]) -> Callable[[], Application]:
    """Return the maker of a process of one node that needs no worker."""
    return partial(Application, lambda threads: [node()])


def one(node: Callable[[Threads], ProcessNode]) -> Callable[[], Application]:
    """Return the maker of a process of one node with workers."""
    return partial(Application, lambda threads: [node(threads)])


def robots(node: Callable[..., ProcessNode], name: str) -> Callable[[], Application]:
    """Return the maker of a process of the robots that `robot.ids` names, or of one.

    node: called with (threads, robot id, index among the robots, namespace=...). name: of a node.
    """

    def make(threads: Threads) -> Sequence[ProcessNode]:
        ids = _robot_ids(name)
        named = [node(threads, robot_id, n, namespace=robot_id) for n, robot_id in enumerate(ids)]
        return named or [node(threads)]

    return partial(Application, make)


def _robot_ids(name: str) -> list[str]:
    """Return robot.ids of the command line, read with a node that is gone before the others."""
    probe = Node(name, start_parameter_services=False, enable_rosout=False)
    ids = overrides_of(probe).get('robot.ids', [])
    probe.destroy_node()
    return [robot_id for robot_id in ids if robot_id]
