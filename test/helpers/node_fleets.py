"""Fleets of real nodes in one process, each in a context and domain of its own."""

from __future__ import annotations

import time

import numpy as np
import rclpy
from domains import next_domain
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image

from iot_fl_ros.core.messages.split import Inference
from iot_fl_ros.core.names import robot_ids
from iot_fl_ros.core.run_files import read_events
from iot_fl_ros.nodes.aggregator import AggregatorNode
from iot_fl_ros.nodes.application import Threads
from iot_fl_ros.nodes.head import HeadNode
from iot_fl_ros.nodes.learner import LearnerNode
from iot_fl_ros.nodes.participant import ParticipantNode
from iot_fl_ros.nodes.tail import TailNode
from iot_fl_ros.ros.convert import ROS_TYPES, from_ros
from iot_fl_ros.ros.images import compressed_from_rgb, from_rgb, to_rgb
from iot_fl_ros.ros.topics import publisher_qos
from iot_fl_ros.srv import SwitchSplit


class InProcess:
    """Nodes on one executor, in a context and domain of their own; `spin_until` drives them."""

    def __init__(self, executor=SingleThreadedExecutor):
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=next_domain())
        self.executor = executor(context=self.context)
        self.threads = Threads()
        self._nodes = []

    def make(self, cls, settings, **kwargs):
        """Return a node of ours, not started yet."""
        return self.add(
            cls(context=self.context, parameter_overrides=parameters(settings), **kwargs)
        )

    def add(self, node):
        """Spin a node with the others."""
        self._nodes.append(node)
        self.executor.add_node(node)
        return node

    def node(self, name):
        """Return a new plain node."""
        return self.add(rclpy.create_node(name, context=self.context))

    def drop(self, node):
        """Take a node away without a word."""
        if getattr(node, 'driver', None):
            node.driver.stop()
        self._nodes.remove(node)
        self.executor.remove_node(node)
        node.destroy_node()

    def spin_until(self, condition, timeout=60.0):
        """Spin until `condition()`; AssertionError after `timeout` s."""
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, 'the condition did not come true in time'
            self.executor.spin_once(timeout_sec=0.05)

    def close(self):
        for node in self._nodes:
            if isinstance(node, ParticipantNode):
                node.close()
        self.threads.stop(10.0)
        for node in self._nodes:
            self.executor.remove_node(node)
            node.destroy_node()
        self.executor.shutdown()
        rclpy.try_shutdown(context=self.context)


class InProcessFleet(InProcess):
    """An aggregator and robots."""

    def __init__(self, settings, robots, output=None):
        super().__init__()
        self.settings = dict(settings)
        if output:
            self.settings['run.output'] = str(output)
        self.count = robots
        self.ids = robot_ids(robots)
        self.learners = {}
        self.aggregator = None

    def start_aggregator(self):
        settings = {**self.settings, 'run.robots': self.count}
        self.aggregator = self.make(
            AggregatorNode, settings, threads=self.threads, namespace='fleet'
        )
        self.aggregator.start()

    def start_learner(self, robot_id):
        own = {k: v for k, v in self.settings.items() if not k.startswith(('method.', 'run.'))}
        own |= own_part(self.ids, robot_id)
        learner = self.make(LearnerNode, own, threads=self.threads, namespace=robot_id)
        self.learners[robot_id] = learner
        learner.start()

    def start_all(self):
        self.start_aggregator()
        for robot_id in self.ids:
            self.start_learner(robot_id)

    def run(self, timeout=120.0):
        """Spin until the run is over."""
        self.spin_until(lambda: self.aggregator.machine._over, timeout)


class InProcessRobots(InProcess):
    """Robots that learn without an aggregator: peers of a mesh, or robots of a Tram-FL fleet."""

    def __init__(self, cls, settings, count, output):
        super().__init__()
        self._cls = cls
        self.ids, self.output = robot_ids(count), output
        self.settings = {**settings, 'run.output': str(output)}
        self.robots = {}

    def start(self, robot_id, **changes):
        """Start a robot, again or for the first time."""
        settings = {**self.settings, **own_part(self.ids, robot_id), **dotted(changes)}
        robot = self.make(self._cls, settings, threads=self.threads, namespace=robot_id)
        self.robots[robot_id] = robot
        robot.start()
        return robot

    def crash(self, robot_id):
        """Stop a robot without a word."""
        self.drop(self.robots.pop(robot_id))

    def start_all(self):
        for robot_id in self.ids:
            self.start(robot_id)

    def rows(self, robot_id, kind):
        """Return the rows of a kind that a robot has written."""
        return [row for row in read_events(self.output / robot_id) if row['kind'] == kind]


class InProcessSplit(InProcess):
    """Heads, a tail and cameras."""

    def __init__(self, bundle_dir, executor=SingleThreadedExecutor):
        super().__init__(executor)
        self.bundle_dir = str(bundle_dir)
        self.heads, self.cameras, self.tail = {}, {}, None

    def _started(self, cls, name, settings):
        settings = {'bundle_dir': self.bundle_dir, **settings}
        node = self.make(cls, settings, threads=self.threads, namespace=name)
        node.start()
        return node

    def start_tail(self, **settings):
        self.tail = self._started(TailNode, 'edge', dotted(settings))
        return self.tail

    def start_head(self, robot_id, **settings):
        """Start a head and its camera, which shows random pictures ten times a second."""
        defaults = {'bundle': 'one', 'deadline': 3.0}
        self.heads[robot_id] = self._started(HeadNode, robot_id, {**defaults, **settings})
        compressed = settings.get('image_transport') == 'compressed'
        self.cameras[robot_id] = Camera(self.node(f'camera_{robot_id}'), robot_id, compressed)
        return self.cameras[robot_id]

    def call(self, robot_id, bundle='', bits=0):
        """Ask a head to switch; return its response."""
        node = self.node(f'client_{len(self._nodes)}')
        client = node.create_client(SwitchSplit, f'/{robot_id}/head/switch_split')
        self.spin_until(client.service_is_ready, 20.0)
        future = client.call_async(SwitchSplit.Request(bundle=bundle, bits=bits))
        self.spin_until(future.done, 20.0)
        return future.result()


def parameters(settings):
    """Return dotted settings as rclpy parameters."""
    return [Parameter(name, value=value) for name, value in settings.items()]


def own_part(ids, robot_id):
    """Return the settings of one robot's part of the data."""
    return {'data.partition_index': ids.index(robot_id), 'data.partition_count': len(ids)}


class Camera:
    """Shows pictures to a head and keeps the answers."""

    def __init__(self, node, robot_id, compressed):
        self._node, self._compressed = node, compressed
        self._rng = np.random.default_rng(0)
        kind, topic = (CompressedImage, 'image/compressed') if compressed else (Image, 'image')
        self._publisher = node.create_publisher(kind, f'/{robot_id}/{topic}', 10)
        qos = publisher_qos(Inference)
        qos.depth = 100
        self.shown, self.answers = {}, []
        node.create_subscription(
            ROS_TYPES[Inference], f'/{robot_id}/inference', self._answered, qos
        )
        node.create_timer(0.1, self._show)

    def _show(self):
        rgb = self._rng.integers(0, 256, (24, 32, 3), np.uint8)
        stamp = self._node.get_clock().now()
        if self._compressed:
            message = compressed_from_rgb(rgb, stamp.to_msg(), 'lens', quality=95)
            rgb = to_rgb(message)
        else:
            message = from_rgb(rgb, stamp.to_msg(), 'lens')
        self.shown[stamp.nanoseconds] = rgb
        self._publisher.publish(message)

    def _answered(self, message):
        self.answers.append(from_ros(Inference, message))


def dotted(settings):
    """Return settings given as keywords, `link__loss` for `link.loss`."""
    return {name.replace('__', '.'): value for name, value in settings.items()}
