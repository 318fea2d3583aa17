"""Poses of SDFormat as matrices, and their turns as quaternions."""

import math

import numpy as np
import pytest

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.world.poses import pose_matrix, quaternion, turn_between, yaw_of

RIGHT = math.pi / 2


def turn(axis, angle):
    """Return the elementary right-handed turn about axis 0, 1 or 2."""
    matrix = np.eye(3)
    one, other = (axis + 1) % 3, (axis + 2) % 3
    matrix[one, one] = matrix[other, other] = math.cos(angle)
    matrix[other, one] = math.sin(angle)
    matrix[one, other] = -math.sin(angle)
    return matrix


def rotation(w, x, y, z):
    """Return the matrix of a unit quaternion: v + 2 w (u x v) + 2 u x (u x v)."""
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + 2 * w * cross + 2 * cross @ cross


@pytest.mark.parametrize(
    ('text', 'axis', 'goes_to'),
    [
        (f'0 0 0 {RIGHT} 0 0', (0, 1, 0), (0, 0, 1)),  # roll: left becomes up
        (f'0 0 0 0 {RIGHT} 0', (1, 0, 0), (0, 0, -1)),  # pitch: the nose goes down
        (f'0 0 0 0 0 {RIGHT}', (1, 0, 0), (0, 1, 0)),  # yaw: ahead becomes left
    ],
)
def test_each_angle_turns_the_right_way(text, axis, goes_to):
    np.testing.assert_allclose(pose_matrix(text)[:3, :3] @ axis, goes_to, atol=1e-12)


def test_roll_comes_first_then_pitch_then_yaw_about_fixed_axes():
    pose = pose_matrix('1 2 3 0.3 -0.5 1.1')
    expected = turn(2, 1.1) @ turn(1, -0.5) @ turn(0, 0.3)
    np.testing.assert_allclose(pose[:3, :3], expected, atol=1e-12)
    np.testing.assert_allclose(pose[:, 3], [1, 2, 3, 1])


@pytest.mark.parametrize('text', [None, '', '  '])
def test_no_pose_is_none(text):
    np.testing.assert_array_equal(pose_matrix(text), np.eye(4))


@pytest.mark.parametrize('text', ['1 2 3', '1 2 3 4 5 x', '1 2 3 4 5 6 7'])
def test_what_is_no_pose_is_refused(text):
    with pytest.raises(DataError, match='six numbers'):
        pose_matrix(text)


@pytest.mark.parametrize('angle', [0.1, 1.5, 3.0, math.pi, -3.0, -0.7])
@pytest.mark.parametrize('axis', [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, -2, 2), (-3, 1, 0.5)])
def test_a_quaternion_is_the_half_angle_about_the_axis(axis, angle):
    unit = np.array(axis) / np.linalg.norm(axis)
    w, vector = math.cos(angle / 2), math.sin(angle / 2) * unit
    matrix = np.eye(4)
    matrix[:3, :3] = rotation(w, *vector)
    found = np.array(quaternion(matrix))
    sign = 1.0 if found @ np.array([w, *vector]) > 0 else -1.0  # q and -q are one turn
    np.testing.assert_allclose(found, sign * np.array([w, *vector]), atol=1e-9)
    assert found[0] >= 0


def test_the_yaw_of_a_quaternion_is_that_of_its_pose():
    for yaw in (-3.0, -0.4, 0.0, 1.2, 3.1):
        assert yaw_of(*quaternion(pose_matrix(f'0 0 0 0.2 -0.3 {yaw}'))) == pytest.approx(yaw)


def test_the_shorter_way_round():
    assert turn_between(3.0, -3.0) == pytest.approx(2 * math.pi - 6.0)
    assert turn_between(-3.0, 3.0) == pytest.approx(6.0 - 2 * math.pi)
    assert turn_between(0.5, 0.2) == pytest.approx(-0.3)
