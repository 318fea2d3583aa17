"""Motion of a robot of the simulation, by the truth and by its wheels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.world.elements import Model
from iot_fl_ros.world.poses import yaw_of

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Motion:
    """Position, m, and orientation (w, x, y, z) in a fixed frame; velocities in the robot's own.

    linear: m/s, angular: rad/s.
    """

    position: Triple
    orientation: tuple[float, float, float, float]
    linear: Triple
    angular: Triple

    @property
    def yaw(self) -> float:
        """Turn about the vertical, rad."""
        return yaw_of(*self.orientation)


def motion_of(model: Any, data: Any, body: str, joint: str) -> Motion:
    """Return the motion of a free body of MuJoCo in the world."""
    start = model.joint(joint).dofadr[0]
    velocity = data.qvel[start : start + 6]  # linear in the world's frame, angular in the body's
    moving = data.body(body)
    linear = moving.xmat.reshape(3, 3).T @ velocity[:3]
    return Motion(
        _floats(moving.xpos), _floats(moving.xquat), _floats(linear), _floats(velocity[3:])
    )


class WheelOdometry:
    """The DiffDrive plugin's two jobs: it turns the wheels, and integrates what they turned."""

    def __init__(self, model: Any, data: Any, robot: Model) -> None:
        drive = robot.drive
        if drive is None:
            raise DataError(f'{robot.name} has no DiffDrive plugin')
        self._radius, self._separation = drive.radius, drive.separation
        self._limits = drive.linear, drive.angular
        wheels = (f'{robot.name}/{drive.left}', f'{robot.name}/{drive.right}')
        self._motors = [model.actuator(name).id for name in wheels]
        self._angles = [int(model.joint(name).qposadr[0]) for name in wheels]
        self._data = data
        self._before = data.qpos[self._angles].tolist()
        self._x = self._y = self._yaw = 0.0
        self._ahead = self._turn = 0.0  # of the last step, m and rad

    def drive(self, linear: float, angular: float) -> None:
        """Command the wheels; see Simulation.drive."""
        linear, angular = _within(linear, self._limits[0]), _within(angular, self._limits[1])
        difference = angular * self._separation / 2
        speeds = ((linear - difference) / self._radius, (linear + difference) / self._radius)
        self._data.ctrl[self._motors] = speeds

    def update(self) -> None:
        """Take in what the wheels turned in the last step: exact for an arc, to second order."""
        now = self._data.qpos[self._angles].tolist()
        left, right = (self._radius * (a - b) for a, b in zip(now, self._before, strict=True))
        self._before = now
        self._ahead, self._turn = (left + right) / 2, (right - left) / self._separation
        middle = self._yaw + self._turn / 2
        self._x += self._ahead * math.cos(middle)
        self._y += self._ahead * math.sin(middle)
        self._yaw = math.remainder(self._yaw + self._turn, 2 * math.pi)

    def motion(self, step: float) -> Motion:
        """Return the motion from the start; step: of the simulation, s."""
        return Motion(
            (self._x, self._y, 0.0),
            (math.cos(self._yaw / 2), 0.0, 0.0, math.sin(self._yaw / 2)),
            (self._ahead / step, 0.0, 0.0),
            (0.0, 0.0, self._turn / step),
        )


def _within(value: float, limits: tuple[float, float]) -> float:
    return min(max(value, limits[0]), limits[1])


def _floats(values: np.ndarray) -> Any:
    return tuple(float(value) for value in values)
