"""Poses as 4 x 4 matrices, the way SDFormat writes them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.world.sdf_values import boolean, numbers, unit

Matrix = NDArray[np.float64]
_FARTHEST = 1e6  # m


def element_pose(pose: Element | None, where: str) -> Matrix:
    """Return the matrix of a <pose>, of either rotation format; DataError names `where`."""
    if pose is None:
        return np.eye(4)
    if pose.get('frame'):
        raise DataError(
            f'{where}: <pose frame={pose.get("frame")!r}> is of SDFormat up to 1.6: write '
            'relative_to="...", which 1.7 has'
        )
    text, form = (pose.text or '').strip(), pose.get('rotation_format', 'euler_rpy')
    degrees = _in_degrees(pose, form, where)
    if not text:
        return np.eye(4)
    values = numbers(text)
    if {'euler_rpy': 6, 'quat_xyzw': 7}.get(form) != len(values):
        raise DataError(
            f'{where}: pose {text!r} is not x y z roll pitch yaw, or x y z and a '
            'quaternion x y z w with rotation_format="quat_xyzw"'
        )
    place, turn = values[:3], values[3:]
    if max(map(abs, place)) > _FARTHEST:
        raise DataError(f'{where}: pose {text!r} is more than {_FARTHEST:g} m away')
    if form == 'quat_xyzw':
        return _of_quaternion(place, turn, where)
    return _of_angles(place, [math.radians(angle) for angle in turn] if degrees else turn)


def _in_degrees(pose: Element, form: str, where: str) -> bool:
    text = pose.get('degrees', 'false')
    degrees = boolean(text)
    if degrees is None:
        raise DataError(f'{where}: <pose degrees={text!r}>: true or false is needed')
    if degrees and form == 'quat_xyzw':
        raise DataError(f'{where}: <pose degrees={text!r}> with a quaternion: leave it out')
    return degrees


def _of_quaternion(place: Sequence[float], xyzw: Sequence[float], where: str) -> Matrix:
    turn = unit(xyzw)
    if not turn:
        raise DataError(f'{where}: the quaternion of its pose is of length 0')
    x, y, z, w = turn
    pose = np.eye(4)
    pose[0] = 1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y), place[0]
    pose[1] = 2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x), place[1]
    pose[2] = 2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y), place[2]
    return pose


def upright_on(normal: Sequence[float]) -> Matrix:
    """Return a rotation that turns +z to `normal`, of length 1; the identity for +z itself."""
    z = np.array(normal, float)
    if np.allclose(z, (0, 0, 1)):
        return np.eye(4)
    away = (1.0, 0.0, 0.0) if abs(z[0]) < 0.9 else (0.0, 1.0, 0.0)
    y = np.cross(z, away)
    y /= np.linalg.norm(y)
    pose = np.eye(4)
    pose[:3, 0], pose[:3, 1], pose[:3, 2] = np.cross(y, z), y, z
    return pose


def pose_matrix(text: str | None) -> Matrix:
    """Return the matrix of an SDFormat pose `x y z roll pitch yaw` (m, rad); identity if empty."""
    if not text or not text.strip():
        return np.eye(4)
    try:
        x, y, z, roll, pitch, yaw = (float(value) for value in text.split())
    except ValueError as error:
        raise DataError(f'pose {text!r} is not six numbers: x y z roll pitch yaw') from error
    return _of_angles((x, y, z), (roll, pitch, yaw))


def _of_angles(place: Sequence[float], angles: Sequence[float]) -> Matrix:
    (cr, cp, cy), (sr, sp, sy) = map(math.cos, angles), map(math.sin, angles)
    pose = np.eye(4)
    pose[0] = cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr, place[0]
    pose[1] = sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr, place[1]
    pose[2] = -sp, cp * sr, cp * cr, place[2]
    return pose


def quaternion(matrix: Matrix) -> tuple[float, float, float, float]:
    """Return the rotation of a pose as w, x, y, z with w >= 0."""
    r = matrix[:3, :3]
    # The largest of the four squares, so that no division is by next to nothing.
    squares = [
        1 + r[0, 0] + r[1, 1] + r[2, 2], 1 + r[0, 0] - r[1, 1] - r[2, 2],
        1 - r[0, 0] + r[1, 1] - r[2, 2], 1 - r[0, 0] - r[1, 1] + r[2, 2],
    ]  # fmt: skip
    x, y, z = r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]
    xy, xz, yz = r[0, 1] + r[1, 0], r[0, 2] + r[2, 0], r[1, 2] + r[2, 1]
    a, b, c, d = squares
    columns = np.array([[a, x, y, z], [x, b, xy, xz], [y, xy, c, yz], [z, xz, yz, d]])
    best = columns[int(np.argmax(squares))]
    best = best / np.linalg.norm(best) * (1.0 if best[0] >= 0 else -1.0)
    return float(best[0]), float(best[1]), float(best[2]), float(best[3])


def yaw_of(w: float, x: float, y: float, z: float) -> float:
    """Return the turn about the vertical of a quaternion, rad, -pi..pi."""
    return math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))


def turn_between(start: float, end: float) -> float:
    """Return the shorter turn from one yaw to another, rad, -pi..pi."""
    return math.atan2(math.sin(end - start), math.cos(end - start))
