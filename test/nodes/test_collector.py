"""The collector node: told by hand what a simulator would tell it."""

import math
import os
import signal
import time

import numpy as np
import pytest
import rclpy
from builtin_interfaces.msg import Time
from domains import next_domain
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.nodes.collector import CollectorNode
from iot_fl_ros.processes.nodes import NodeProcesses, private_dds_env
from iot_fl_ros.ros.images import from_rgb
from iot_fl_ros.ros.world_messages import odometry
from iot_fl_ros.world.collection import OTHERS, OWN
from iot_fl_ros.world.motion import Motion
from iot_fl_ros.world.robot import start_pose

PICTURE = np.zeros((240, 320, 3), np.uint8)
FOCAL = 160 / math.tan(0.6)


@pytest.fixture
def collector(tmp_path):
    made = []

    def make(**settings):
        context = rclpy.Context()
        rclpy.init(context=context, domain_id=next_domain())
        given = {'output': str(tmp_path / 'out'), 'pause': 0.0, **settings}
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        made.append((context, None))
        node = CollectorNode(context=context, namespace='robot_0', parameter_overrides=overrides)
        made[-1] = context, node
        return node

    yield make
    for context, node in made:
        if node:
            node.destroy_node()
        rclpy.try_shutdown(context=context)


def _stamp(seconds):
    return Time(sec=int(seconds), nanosec=round(seconds % 1 * 1e9))


def _pose(seconds, x=None):
    start_x, y, _ = start_pose(0)
    place = (start_x if x is None else x, y, 0.0)
    motion = Motion(place, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    return odometry(motion, _stamp(seconds), 'world', 'robot_0/base_link')


def _info(width, focal):
    return CameraInfo(height=240, width=width, k=[focal, 0.0, 160.0, *[0.0] * 6])


def _look(node, seconds):
    node._pose(_pose(seconds - 0.1))
    node._image(from_rgb(PICTURE, _stamp(seconds), 'camera'))
    node._pose(_pose(seconds + 0.1))


@pytest.mark.parametrize('focal', [math.inf, math.nan, 1e300, 1e-300, -1.0, 0.0])
def test_nonsense_of_a_camera_is_refused(collector, focal):
    node = collector()
    node._info(_info(320, focal))
    node._info(_info(0, FOCAL))
    _look(node, 1.0)
    assert node.collection.counts()['own'] == 0
    node._info(_info(320, FOCAL))
    _look(node, 2.0)
    assert node.collection.counts()['own'] > 0


def test_a_pose_that_is_none_is_refused(collector):
    node = collector()
    node._info(_info(320, FOCAL))
    node._pose(_pose(1.0))
    for bad in (math.nan, math.inf):
        node._pose(_pose(1.1, bad))
    node._image(from_rgb(PICTURE, _stamp(1.05), 'camera'))
    assert node.collection.counts()['own'] == 0, 'it waits for a pose after it'
    node._pose(_pose(1.2))
    assert node.collection.counts()['own'] > 0


def test_a_list_of_rooms_is_described_without_a_range_of_floats(collector):
    descriptor = collector(rooms=[1, 2]).describe_parameter('rooms')
    assert not descriptor.floating_point_range
    assert 'Rooms' in descriptor.description


def test_it_says_what_it_lacks(collector):
    node = collector()
    assert 'camera/image' in node.lacks()
    node._image(from_rgb(PICTURE, _stamp(1.0), 'camera'))
    assert 'camera/camera_info' in node.lacks()
    node._info(_info(320, FOCAL))
    assert 'ground_truth' in node.lacks()
    assert not node._looking
    _look(node, 1.0)
    assert node.lacks() == ''
    assert node._looking


def test_a_folder_that_cannot_be_written_is_an_error_at_once(collector, tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(DataError, match=r'output.*file/out'):
        collector(output=str(tmp_path / 'file/out'))


def test_samples_of_an_earlier_time_are_not_taken_for_new_ones(collector, tmp_path):
    folder = tmp_path / 'out'
    folder.mkdir()
    for name in (OWN, OTHERS, 'notes.txt'):
        (folder / name).write_text('old')
    node = collector()
    node._info(_info(320, FOCAL))
    _look(node, 1.0)
    node.close()
    assert sorted(path.name for path in folder.iterdir()) == [
        'notes.txt', 'own.npz', 'track.npz', 'view.png',
    ]  # fmt: skip
    assert np.load(folder / OWN)['x'].shape[1:] == (28, 28)
    assert (folder / OWN).stat().st_mode & 0o444 == 0o444, 'others may read it'


@pytest.fixture
def camera():
    """A publisher of camera_info in the domain of the processes."""
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=int(private_dds_env()['ROS_DOMAIN_ID']))
    node = rclpy.create_node('camera', context=context)
    yield node.create_publisher(CameraInfo, '/camera/camera_info', 10)
    node.destroy_node()
    rclpy.try_shutdown(context=context)


def test_a_process_that_has_nothing_to_save_says_so_with_its_exit_code(tmp_path, camera):
    with NodeProcesses(tmp_path, env=private_dds_env()) as processes:
        processes.start('collector', ['-p', f'output:={tmp_path}/out'])
        end = time.monotonic() + 60
        while 'ignored' not in processes.log('collector'):  # it listens
            camera.publish(_info(320, math.inf))
            processes.check()
            assert time.monotonic() < end, processes.log('collector')
            time.sleep(0.05)
        os.kill(processes.pid('collector'), signal.SIGINT)
        while processes.running('collector'):
            assert time.monotonic() < end, processes.log('collector')
            time.sleep(0.05)
    assert processes.codes() == {'collector': 1}
    assert 'nothing saved' in processes.log('collector')
    assert 'nothing usable came from /camera/image, /camera/camera_info' in processes.log(
        'collector'
    )
    assert 'Traceback' not in processes.log('collector')


def test_activated_again_it_does_not_wait_for_what_it_knows(collector):
    node = collector()
    node._info(_info(320, FOCAL))
    node.begin()
    watched = {one.topic.rsplit('/', 1)[-1] for one in node._awaited if one._timer}
    node.pause()
    assert watched == {'image', 'ground_truth'}
