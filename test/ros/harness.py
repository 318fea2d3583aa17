"""A fleet of real nodes in one process, in a context and domain of its own."""

from __future__ import annotations

import itertools
import os
import time

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter

from iot_fl_ros.fleet.simulation import robot_ids
from iot_fl_ros.nodes.aggregator import AggregatorNode
from iot_fl_ros.nodes.learner import LearnerNode
from iot_fl_ros.ros.worker import WorkerThread

_domains = itertools.count(101 + os.getpid() % 50)


class InProcessFleet:
    """Aggregator and robots on one executor; `spin_until` drives them."""

    def __init__(self, settings, robots, output=None):
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=next(_domains))
        self.executor = SingleThreadedExecutor(context=self.context)
        self.thread = WorkerThread()
        self.settings = dict(settings)
        if output:
            self.settings['run.output'] = str(output)
        self.count = robots
        self.ids = robot_ids(robots)
        self.learners = {}
        self.aggregator = None
        self._others = []

    def start_aggregator(self):
        overrides = {**self.settings, 'run.robots': self.count}
        self.aggregator = AggregatorNode(
            context=self.context, parameter_overrides=parameters(overrides), namespace='fleet'
        )
        self.executor.add_node(self.aggregator)
        assert self.aggregator.trigger_configure().name == 'SUCCESS'
        assert self.aggregator.trigger_activate().name == 'SUCCESS'

    def start_learner(self, robot_id):
        own = {k: v for k, v in self.settings.items() if not k.startswith(('method.', 'run.'))}
        own['data.partition_index'] = self.ids.index(robot_id)
        own['data.partition_count'] = self.count
        learner = LearnerNode(
            self.thread,
            context=self.context,
            namespace=robot_id,
            parameter_overrides=parameters(own),
        )
        self.learners[robot_id] = learner
        self.executor.add_node(learner)
        learner.start()

    def start_all(self):
        self.start_aggregator()
        for robot_id in self.ids:
            self.start_learner(robot_id)

    def add(self, node):
        """Spin another node with the fleet."""
        self._others.append(node)
        self.executor.add_node(node)
        return node

    def node(self, name):
        """Return a new plain node in the fleet's domain."""
        return self.add(rclpy.create_node(name, context=self.context))

    def spin_until(self, condition, timeout=60.0):
        """Spin until `condition()`; AssertionError after `timeout` s."""
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, 'the condition did not come true in time'
            self.executor.spin_once(timeout_sec=0.05)

    def run(self, timeout=120.0):
        """Spin until the run is over."""
        self.spin_until(lambda: self.aggregator.machine._over, timeout)

    def close(self):
        for learner in self.learners.values():
            learner.leave()
        if self.aggregator:
            self.aggregator.close()
        self.thread.stop(10.0)
        for node in [*self.learners.values(), self.aggregator, *self._others]:
            if node:
                self.executor.remove_node(node)
                node.destroy_node()
        self.executor.shutdown()
        rclpy.try_shutdown(context=self.context)


def parameters(settings):
    """Return dotted settings as rclpy parameters."""
    return [Parameter(name, value=value) for name, value in settings.items()]
