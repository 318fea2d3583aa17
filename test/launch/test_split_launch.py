"""The real launch file of split inference: two robots with pictures of a folder, one edge."""

import json
from pathlib import Path

import pytest

pytest.importorskip('launch_pytest', reason='launch has no wheels; use apt ROS 2')

import cv2
import launch_pytest
import numpy as np
import rclpy
from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription, SetEnvironmentVariable
from launch.launch_description_sources import PythonLaunchDescriptionSource
from tiny_split import tiny_bundle

from iot_fl_ros.msg import Inference

HELPERS = Path(__file__).parents[1] / 'helpers'

ROBOTS = ('cart_0', 'cart_1')


@pytest.fixture
def folder(tmp_path):
    tiny_bundle(tmp_path / 'bundles' / 'demo')
    (tmp_path / 'pictures').mkdir()
    for number in range(3):
        picture = np.full((48, 64, 3), 80 * number, np.uint8)
        cv2.imwrite(str(tmp_path / 'pictures' / f'{number}.png'), picture)
    return tmp_path


@launch_pytest.fixture
def split(folder):
    source = Path(get_package_share_directory('iot_fl_ros')) / 'launch/split.launch.py'
    arguments = {
        'robots': '2',
        'namespace': 'cart',
        'bundle_dir': str(folder / 'bundles'),
        'source': str(folder / 'pictures'),
        'deployment': 'simulation',
        'loss': '0.3',
    }
    return LaunchDescription(
        [
            # The bundle's model is in tiny_split.py.
            SetEnvironmentVariable('PYTHONPATH', str(HELPERS)),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(source)), launch_arguments=arguments.items()
            ),
            launch_pytest.actions.ReadyToTest(),
        ]
    )


@pytest.mark.launch(fixture=split)
def test_both_robots_get_answers_from_what_arrives(folder):
    import time

    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('listener', context=context)
    executor = rclpy.executors.SingleThreadedExecutor(context=context)
    executor.add_node(node)
    heard = {name: [] for name in ROBOTS}
    qos = rclpy.qos.QoSProfile(depth=10, reliability=rclpy.qos.ReliabilityPolicy.BEST_EFFORT)
    for name in ROBOTS:
        node.create_subscription(Inference, f'/{name}/inference', heard[name].append, qos)
    end = time.monotonic() + 60
    while min(len(answers) for answers in heard.values()) < 20:
        assert time.monotonic() < end, json.dumps({name: len(a) for name, a in heard.items()})
        executor.spin_once(timeout_sec=0.1)
    received = [answer.received for answers in heard.values() for answer in answers]
    assert 0.4 < np.mean(received) < 0.95, 'the emulated link lost packets'
    assert {a.header.frame_id for answers in heard.values() for a in answers} == {'camera'}
    node.destroy_node()
    rclpy.try_shutdown(context=context)
