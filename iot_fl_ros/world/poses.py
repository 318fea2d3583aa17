"""Poses as 4 x 4 matrices, the way SDFormat writes them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.errors import DataError

Matrix = NDArray[np.float64]


def pose_matrix(text: str | None) -> Matrix:
    """Return the matrix of an SDFormat pose `x y z roll pitch yaw` (m, rad); identity if empty."""
    if not text or not text.strip():
        return np.eye(4)
    try:
        x, y, z, roll, pitch, yaw = (float(value) for value in text.split())
    except ValueError as error:
        raise DataError(f'pose {text!r} is not six numbers: x y z roll pitch yaw') from error
    cr, sr = math.cos(roll), math.sin(roll)
    cp, sp = math.cos(pitch), math.sin(pitch)
    cy, sy = math.cos(yaw), math.sin(yaw)
    pose = np.eye(4)
    pose[0] = cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr, x
    pose[1] = sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr, y
    pose[2] = -sp, cp * sr, cp * cr, z
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
