"""A process of one or several robots: one node each, one worker thread for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from rclpy.node import Node

from iot_fl_ros.learning.settings import NodeSettings
from iot_fl_ros.nodes.process import WORKER_TIMEOUT
from iot_fl_ros.ros.parameters import overrides_of
from iot_fl_ros.ros.worker import WorkerThread


class RobotNode(Protocol):
    """What a process needs of the node of a robot."""

    finished: bool

    @property
    def node_settings(self) -> NodeSettings:
        """How the process uses its machine."""

    def start(self) -> None:
        """Begin to take part."""

    def leave(self) -> None:
        """Say goodbye and stop."""


class MakeNode(Protocol):
    """Makes the node of a robot; index: position among the robots of the process."""

    def __call__(
        self, thread: WorkerThread, robot_id: str = '', index: int = 0, **kwargs: Any
    ) -> RobotNode:
        """Return the node; ConfigError if its parameters are wrong."""


class RobotsApplication:
    """The process of the robots that `robot.ids` names, or of one. name: of the node."""

    def __init__(self, make: MakeNode, name: str) -> None:
        self._thread = WorkerThread()
        several = [
            make(self._thread, robot_id, index, namespace=robot_id)
            for index, robot_id in enumerate(_robot_ids(name))
        ]
        self.nodes: Sequence[Any] = several or [make(self._thread)]
        settings = self.nodes[0].node_settings
        torch.set_num_threads(settings.threads)
        self.use_events_executor: bool = settings.use_events_executor

    def start(self) -> None:
        """Let every robot take part."""
        for node in self.nodes:
            node.start()

    @property
    def finished(self) -> bool:
        """Whether all robots are done and the process was asked to end with them."""
        return all(node.finished for node in self.nodes)

    def close(self) -> None:
        """Leave in good order."""
        for node in self.nodes:
            node.leave()
        self._thread.stop(WORKER_TIMEOUT)


def _robot_ids(name: str) -> list[str]:
    """Return robot.ids of the command line, read with a node that is gone before the others."""
    probe = Node(name, start_parameter_services=False, enable_rosout=False)
    ids = overrides_of(probe).get('robot.ids', [])
    probe.destroy_node()
    return [robot_id for robot_id in ids if robot_id]
