"""The simulator node: the topics, types, frames and QoS of Gazebo behind its bridge."""

import importlib.util
import signal
import time

import numpy as np
import pytest
import yaml
from geometry_msgs.msg import Twist
from nav_msgs.msg import Odometry
from node_fleets import InProcess
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image

from iot_fl_ros.core.errors import ConfigError, SimulatorError
from iot_fl_ros.nodes.simulator import SimulatorNode
from iot_fl_ros.processes.nodes import NodeProcesses, private_dds_env
from iot_fl_ros.ros.images import to_rgb
from iot_fl_ros.ros.share import share_folder
from iot_fl_ros.ros.world_messages import twist
from iot_fl_ros.world.robot import filled
from iot_fl_ros.world.simulation import load_mujoco
from iot_fl_ros.world.textures import prepare_world

TYPES = {'sensor_msgs/msg/Image': Image, 'sensor_msgs/msg/CameraInfo': CameraInfo,
         'geometry_msgs/msg/Twist': Twist, 'nav_msgs/msg/Odometry': Odometry}  # fmt: skip

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec('mujoco') is None, reason="pip install 'iot_fl_ros[sim]'"
)


@pytest.fixture(scope='module')
def world():
    try:
        load_mujoco()
    except SimulatorError as error:
        pytest.skip(str(error))
    return prepare_world()


class Simulated(InProcess):
    """A simulator and a listener, as fast as they can."""

    def __init__(self, world, **settings):
        super().__init__()
        overrides = {'world': str(world), 'robots': 2, 'real_time_factor': 0.0, **settings}
        self.simulator = self.make(SimulatorNode, overrides)
        self.listener = self.node('listener')
        self.heard = {}

    def listen(self, kind, topic):
        got = self.heard.setdefault(topic, [])
        self.listener.create_subscription(kind, topic, got.append, 10)
        return got

    def close(self):
        self.simulator.close()
        super().close()


@pytest.fixture
def fleet(world):
    made = []

    def make(**settings):
        made.append(Simulated(world, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


def _seconds(stamp):
    return stamp.sec + stamp.nanosec * 1e-9


def test_it_offers_what_the_bridge_offers(fleet):
    one = fleet()
    template = (share_folder() / 'config/gazebo_bridge_robot.yaml').read_text()
    entries = yaml.safe_load(filled(template, 'robot_1'))
    assert len(entries) == 5
    for entry in entries:
        topic = '/robot_1/' + entry['ros_topic_name']
        out = entry['direction'] == 'GZ_TO_ROS'
        look = one.simulator.get_publishers_info_by_topic if out else (
            one.simulator.get_subscriptions_info_by_topic
        )  # fmt: skip
        (info,) = look(topic)
        assert info.topic_type == entry['ros_type_name']
        assert info.qos_profile.reliability == ReliabilityPolicy.RELIABLE
        assert info.qos_profile.durability == DurabilityPolicy.VOLATILE
    (info,) = one.simulator.get_publishers_info_by_topic('/clock')
    assert info.topic_type == 'rosgraph_msgs/msg/Clock'


def test_a_robot_drives_and_its_topics_agree(fleet):
    one = fleet()
    clock, odom = one.listen(Clock, '/clock'), one.listen(Odometry, '/robot_0/odom')
    truth = one.listen(Odometry, '/robot_0/ground_truth')
    images = one.listen(Image, '/robot_0/camera/image')
    infos = one.listen(CameraInfo, '/robot_0/camera/camera_info')
    command = one.listener.create_publisher(Twist, '/robot_0/cmd_vel', 10)
    one.spin_until(lambda: command.get_subscription_count() == 1)
    one.simulator.start()
    one.spin_until(lambda: len(images) > 2)
    command.publish(twist(0.5, 0.0))
    one.spin_until(lambda: odom[-1].pose.pose.position.x > 0.3)
    assert odom[0].pose.pose.position.x == pytest.approx(0, abs=1e-3)
    assert odom[0].header.frame_id == 'robot_0/odom'
    assert odom[0].child_frame_id == truth[0].child_frame_id == 'robot_0/base_link'
    assert truth[0].header.frame_id == 'world'
    start, end = truth[0].pose.pose.position, truth[-1].pose.pose.position
    driven = np.hypot(end.x - start.x, end.y - start.y)
    assert driven == pytest.approx(odom[-1].pose.pose.position.x, abs=0.05)
    for messages, period in ((odom, 0.05), (truth, 0.05), (images, 0.1), (infos, 0.1)):
        times = [_seconds(message.header.stamp) for message in messages]
        assert np.diff(times) == pytest.approx(period, abs=0.021)
    assert _seconds(clock[-1].clock) >= _seconds(images[-1].header.stamp)
    picture, info = to_rgb(images[0]), infos[0]
    assert picture.shape == (240, 320, 3)
    assert images[0].encoding == 'rgb8'
    assert images[0].header.frame_id == info.header.frame_id == 'robot_0/camera_optical_frame'
    assert info.k[0] == pytest.approx(160 / np.tan(0.6))
    assert picture.std() > 20
    assert to_rgb(images[-1]).tobytes() != picture.tobytes()


def test_nobody_looks_nothing_is_drawn_and_a_bad_command_is_refused(fleet):
    one = fleet(image_rate=100.0)
    odom = one.listen(Odometry, '/robot_0/odom')
    infos = one.listen(CameraInfo, '/robot_0/camera/camera_info')
    command = one.listener.create_publisher(Twist, '/robot_0/cmd_vel', 10)
    one.spin_until(lambda: command.get_subscription_count() == 1)
    one.simulator.start()
    command.publish(twist(float('nan'), 0.0))
    command.publish(twist(0.0, float('inf')))
    one.spin_until(lambda: len(odom) > 10)
    assert one.simulator.pictures == 0
    assert len(infos) > 4 * len(odom), '100 a second as told, odom has 20'
    assert odom[-1].pose.pose.position.x == pytest.approx(0, abs=1e-3)


def test_it_ends_after_its_duration(fleet):
    one = fleet(duration=0.5)
    one.simulator.start()
    one.spin_until(lambda: one.simulator.finished)
    assert one.simulator.simulation.time == pytest.approx(0.5, abs=0.021)


def test_simulated_time_is_not_for_the_one_who_makes_it(fleet):
    with pytest.raises(ConfigError, match='it cannot wait'):
        fleet(use_sim_time=True)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_the_process_ends_in_good_order(world, tmp_path, number):
    with NodeProcesses(tmp_path, env=private_dds_env()) as processes:
        processes.start('simulator', ['-p', f'world:={world}', '-p', 'duration:=0.3'], 'short')
        processes.start('simulator', ['-p', f'world:={world}', '-p', 'real_time_factor:=0.5'])
        end = time.monotonic() + 60
        while processes.running('short'):  # the other is then about as far
            assert time.monotonic() < end, processes.log('short')
            time.sleep(0.05)
        processes._processes['simulator'].send_signal(number)
        while processes.running('simulator'):
            assert time.monotonic() < end, processes.log('simulator')
            time.sleep(0.05)
    assert processes.codes() == {'short': 0, 'simulator': 0}
    assert 'simulated 0.3 s' in processes.log('short')
    assert 'Traceback' not in processes.log('short') + processes.log('simulator')


def test_a_world_that_is_not_there_is_one_line(tmp_path):
    with NodeProcesses(tmp_path, env=private_dds_env()) as processes:
        processes.start('simulator', ['-p', 'world:=/nowhere.sdf'])
        end = time.monotonic() + 60
        while processes.running('simulator'):
            assert time.monotonic() < end
            time.sleep(0.05)
    assert processes.codes() == {'simulator': 1}
    assert 'cannot read /nowhere.sdf' in processes.log('simulator')
    assert 'Traceback' not in processes.log('simulator')


def test_physics_that_fall_apart_end_the_process_with_an_error(world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MuJoCo writes a log where it is
    for name in ('fleet.sdf', 'camera_robot.sdf'):
        text = (world.parent / name).read_text()
        text = text.replace('<gravity>0 0 -9.81<', '<gravity>0 0 1e12<')
        (tmp_path / name).write_text(text)
    (tmp_path / 'textures').symlink_to(world.parent / 'textures')
    with NodeProcesses(tmp_path, env=private_dds_env()) as processes:
        processes.start('simulator', ['-p', 'world:=fleet.sdf', '-p', 'real_time_factor:=0.0'])
        end = time.monotonic() + 60
        while processes.running('simulator'):
            assert time.monotonic() < end
            time.sleep(0.05)
    assert processes.codes() == {'simulator': 1}
    assert 'max_step_size' in processes.log('simulator')
    assert 'Traceback' not in processes.log('simulator')
