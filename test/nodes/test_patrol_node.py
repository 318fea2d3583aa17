"""The patrol node: through the simulator, or against a pose that somebody makes up."""

import importlib.util
import math
import os
import signal
import time

import pytest
import rclpy
from geometry_msgs.msg import Twist
from nav_msgs.msg import Odometry
from rclpy.executors import SingleThreadedExecutor
from std_msgs.msg import Bool

from iot_fl_ros.processes.nodes import NodeProcesses, private_dds_env
from iot_fl_ros.ros.world_messages import LATCHED, odometry
from iot_fl_ros.world.collection import LOOKING
from iot_fl_ros.world.motion import Motion
from iot_fl_ros.world.robot import start_pose

needs_mujoco = pytest.mark.skipif(
    importlib.util.find_spec('mujoco') is None, reason="pip install 'iot_fl_ros[sim]'"
)
ROBOT = ['-r', '__ns:=/robot_0']


class Listener:
    """A node in the domain of the processes."""

    def __init__(self):
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=int(private_dds_env()['ROS_DOMAIN_ID']))
        self.node = rclpy.create_node('listener', context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.commands, self.truths, self.finished = [], [], []
        self.node.create_subscription(Twist, '/robot_0/cmd_vel', self.commands.append, 10)
        self.node.create_subscription(Odometry, '/robot_0/ground_truth', self.truths.append, 10)
        self.node.create_subscription(
            Bool, '/robot_0/patrol/finished', lambda m: self.finished.append(m.data), LATCHED
        )
        self.poses = self.node.create_publisher(Odometry, '/robot_0/made_up', 10)

    def say(self, x, y, yaw=0.0):
        turn = (math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2))
        motion = Motion((x, y, 0.0), turn, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
        stamp = self.node.get_clock().now().to_msg()
        self.poses.publish(odometry(motion, stamp, 'world', 'robot_0/base_link'))

    def spin_until(self, condition, processes, timeout=60.0):
        end = time.monotonic() + timeout
        while not condition():
            processes.check()
            assert time.monotonic() < end, (len(self.truths), self.commands[-1:])
            self.executor.spin_once(timeout_sec=0.05)

    def close(self):
        self.node.destroy_node()
        self.executor.shutdown()
        rclpy.try_shutdown(context=self.context)


@pytest.fixture
def listener():
    one = Listener()
    yield one
    one.close()


@needs_mujoco
def test_a_robot_tours_its_room_in_simulated_time(listener, tmp_path):
    with NodeProcesses(tmp_path, env=private_dds_env()) as processes:
        processes.start('patrol', [*ROBOT, '-p', 'use_sim_time:=true'])
        processes.start('simulator', ['-p', 'robots:=1', '-p', 'real_time_factor:=10.0'])
        listener.spin_until(lambda: not processes.running('patrol'), processes)
        listener.spin_until(lambda: listener.finished[-1:] == [True], processes)
    assert processes.codes()['patrol'] == 0
    said = processes.log('patrol').split('patrol finished after ')[1]
    assert 50 < float(said.split()[0]) < 80, 'simulated seconds'
    last = listener.truths[-1].pose.pose.position
    assert math.dist((last.x, last.y), start_pose(0)[:2]) < 0.3
    assert listener.commands[-1].linear.x == listener.commands[-1].angular.z == 0.0


def test_without_poses_and_at_the_end_the_robot_is_stopped(listener, tmp_path):
    with NodeProcesses(tmp_path, env=private_dds_env()) as processes:
        processes.start('patrol', [*ROBOT, '-p', 'pose_topic:=made_up', '-p', 'route:=[1]'])
        listener.spin_until(lambda: listener.poses.get_subscription_count(), processes)
        listener.say(math.nan, 0.0)
        listener.say(*start_pose(0)[:2])
        listener.spin_until(lambda: listener.commands, processes)
        assert listener.commands[0].angular.z < 0, 'it turns to the doors'
        # Nobody says where it is any more.
        listener.spin_until(lambda: listener.commands[-1] == Twist(), processes)
        assert 'no pose on /robot_0/made_up' in processes.log('patrol')
        listener.say(*start_pose(0)[:2])
        listener.spin_until(lambda: listener.commands[-1] != Twist(), processes)
        os.kill(processes.pid('patrol'), signal.SIGTERM)
        listener.spin_until(lambda: listener.commands[-1] == Twist(), processes)
        listener.spin_until(lambda: not processes.running('patrol'), processes)
    assert processes.codes() == {'patrol': 0}
    assert 'Traceback' not in processes.log('patrol')
    assert 'bad pose' in processes.log('patrol')
    assert listener.finished == [False]


def test_a_patrol_waits_until_it_may_drive(listener, tmp_path):
    own = ['-p', 'pose_topic:=made_up', '-p', 'wait_for:=collector/looking']
    may = listener.node.create_publisher(Bool, f'/robot_0/{LOOKING}', LATCHED)
    with NodeProcesses(tmp_path, env=private_dds_env()) as processes:
        processes.start('patrol', [*ROBOT, *own])
        listener.spin_until(listener.poses.get_subscription_count, processes)
        listener.spin_until(may.get_subscription_count, processes)
        may.publish(Bool(data=False))
        place = start_pose(0)[:2]
        listener.say(*place)
        listener.say(math.nan, 0.0)  # whose warning says that the pose before has been looked at
        listener.spin_until(lambda: 'bad pose' in processes.log('patrol'), processes)
        assert all(command == Twist() for command in listener.commands)
        may.publish(Bool(data=True))

        def drives():
            listener.say(*place)
            return any(command != Twist() for command in listener.commands)

        listener.spin_until(drives, processes)


def test_a_room_that_is_not_there_is_one_line(tmp_path):
    with NodeProcesses(tmp_path, env=private_dds_env()) as processes:
        processes.start('patrol', [*ROBOT, '-p', 'route:=[7]'])
        end = time.monotonic() + 60
        while processes.running('patrol'):
            assert time.monotonic() < end
            time.sleep(0.05)
    assert processes.codes() == {'patrol': 1}
    assert "room '7' is unknown" in processes.log('patrol')
