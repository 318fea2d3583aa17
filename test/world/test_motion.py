"""Turned wheels make a way: an arc, not a straight line after a turn."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.world.installed import worlds_folder
from iot_fl_ros.world.motion import WheelOdometry, motion_of
from iot_fl_ros.world.robot import robots


@pytest.fixture(scope='module')
def robot():
    return robots(worlds_folder(), ('robot_0',))[0]


@pytest.fixture
def wheels(robot):
    """Odometry, and the data of a made-up simulator whose only joints are the two wheels."""
    numbers = {f'robot_0/{robot.drive.left}': 0, f'robot_0/{robot.drive.right}': 1}
    model = SimpleNamespace(
        actuator=lambda name: SimpleNamespace(id=numbers[name]),
        joint=lambda name: SimpleNamespace(qposadr=[numbers[name]]),
    )
    data = SimpleNamespace(qpos=np.array([0.3, -0.2]), ctrl=np.zeros(2))
    return WheelOdometry(model, data, robot), data


def roll(wheels, robot, left, right):
    """Let the wheels roll so many m in one step."""
    odometry, data = wheels
    data.qpos += np.array([left, right]) / robot.drive.radius
    odometry.update()
    return odometry.motion(0.5)


def test_straight_on(wheels, robot):
    motion = roll(wheels, robot, 0.2, 0.2)
    assert motion.position == pytest.approx((0.2, 0.0, 0.0))
    assert motion.linear == pytest.approx((0.4, 0.0, 0.0)), 'm/s'
    assert motion.angular == pytest.approx((0.0, 0.0, 0.0))


def test_a_quarter_turn_to_the_left_in_one_step_goes_along_the_chord(wheels, robot):
    half = robot.drive.separation / 2 * math.pi / 2
    motion = roll(wheels, robot, 1.0 - half, 1.0 + half)
    assert motion.yaw == pytest.approx(math.pi / 2)
    assert motion.position == pytest.approx((math.sqrt(0.5), math.sqrt(0.5), 0.0))
    assert motion.angular == pytest.approx((0.0, 0.0, math.pi)), 'rad/s'


def test_a_circle_of_many_steps_closes(wheels, robot):
    steps, radius = 40, 2.0
    ahead, turn = 2 * math.pi * radius / steps, 2 * math.pi / steps
    half = turn * robot.drive.separation / 2
    far = 0.0
    for _ in range(steps):
        motion = roll(wheels, robot, ahead - half, ahead + half)
        far = max(far, motion.position[1])
    assert motion.position == pytest.approx((0.0, 0.0, 0.0), abs=1e-9)
    assert far == pytest.approx(2 * radius, rel=0.01), 'to the left of it'


def test_a_command_is_the_speed_of_each_wheel_within_the_limits(wheels, robot):
    odometry, data = wheels
    drive = robot.drive
    odometry.drive(0.1, 0.5)
    left, right = data.ctrl * drive.radius
    assert (left + right) / 2 == pytest.approx(0.1)
    assert (right - left) / drive.separation == pytest.approx(0.5)
    odometry.drive(1e6, -1e6)
    left, right = data.ctrl * drive.radius
    assert (left + right) / 2 == pytest.approx(drive.linear[1])
    assert (right - left) / drive.separation == pytest.approx(drive.angular[0])


def test_a_model_without_wheels_is_refused():
    with pytest.raises(DataError, match='DiffDrive'):
        WheelOdometry(None, None, SimpleNamespace(drive=None, name='rock'))


def test_the_truth_has_its_velocity_in_the_robots_own_frame():
    turned = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]])  # looks along y
    body = SimpleNamespace(
        xmat=turned.reshape(-1), xpos=np.array([1.0, 2.0, 3.0]),
        xquat=np.array([math.sqrt(0.5), 0, 0, math.sqrt(0.5)]),
    )  # fmt: skip
    data = SimpleNamespace(qvel=np.array([9, 0.0, 5.0, 0, 0.1, 0.2, 0.3]), body=lambda name: body)
    model = SimpleNamespace(joint=lambda name: SimpleNamespace(dofadr=[1]))
    motion = motion_of(model, data, 'body', 'joint')
    assert motion.linear == pytest.approx((5.0, 0.0, 0.0)), 'it drives ahead'
    assert motion.angular == pytest.approx((0.1, 0.2, 0.3))
    assert motion.position == (1.0, 2.0, 3.0)
    assert motion.yaw == pytest.approx(math.pi / 2)
