"""A world with robots in MuJoCo: steps it, drives robots, takes pictures. Knows nothing of ROS.

MuJoCo gets a graphics library that needs no screen: EGL, or else OSMesa.
"""

from __future__ import annotations

import ctypes.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.errors import ConfigError, DataError, SimulatorError, one_line
from iot_fl_ros.world.elements import Camera, Model
from iot_fl_ros.world.mjcf import VISIBLE_GROUP, convert, free_joint
from iot_fl_ros.world.motion import Motion, WheelOdometry, motion_of
from iot_fl_ros.world.plan import TopView
from iot_fl_ros.world.robot import robot_names, robots
from iot_fl_ros.world.sdf import read_world

VARIABLE = 'MUJOCO_GL'
_LIBRARIES = {'egl': 'EGL', 'osmesa': 'OSMesa'}
_REMEDY = (
    'install EGL (apt-get install libegl1 libegl-mesa0) or OSMesa (apt-get install libosmesa6); '
    f'{VARIABLE}=egl or osmesa chooses one'
)
_failure: SimulatorError | None = None
Rgb = NDArray[np.uint8]


def load_mujoco() -> Any:
    """Import MuJoCo with the library that MUJOCO_GL names, else with the first there is.

    SimulatorError if MuJoCo is missing or its graphics library is. A process keeps its choice.
    """
    global _failure
    if _failure is not None:  # a second import would half succeed, and abort the process later
        raise _failure
    _choose()
    try:
        import mujoco
    except (ImportError, AttributeError, RuntimeError) as error:  # or PyOpenGL without its library
        text = f'MuJoCo cannot use {os.environ.get(VARIABLE)} ({error}): {_REMEDY}'
        if isinstance(error, ImportError) and error.name == 'mujoco':
            text = f"{error}: pip install 'iot_fl_ros[sim]'"
        _failure = SimulatorError(text)
        raise _failure from error
    return mujoco


def _choose() -> None:
    if os.environ.get(VARIABLE):
        return
    for name, library in _LIBRARIES.items():
        if ctypes.util.find_library(library):
            os.environ[VARIABLE] = name
            return
    raise SimulatorError(f'there is no graphics library to draw pictures with: {_REMEDY}')


class Every:
    """True once each period of simulated time, at its multiples, from time 0 on."""

    def __init__(self, rate: float) -> None:
        """rate: 1/s."""
        self._rate = rate
        self._count = 0

    def due(self, now_ns: int) -> bool:
        """Return whether another period has begun by now, ns."""
        if now_ns * self._rate < self._count * 1e9:
            return False
        self._count = int(now_ns * self._rate // 1e9) + 1
        return True


class Pace:
    """Holds simulated time back to `factor` times real time; factor 0: never holds it back."""

    def __init__(self, factor: float, patience: float) -> None:
        """patience: lag, s of simulated time, after which it does not try to catch up."""
        self._factor, self._patience = factor, patience
        self._start: tuple[float, float] | None = None

    def allows(self, simulated: float, real: float) -> bool:
        """Return whether to simulate on; simulated and real time in s."""
        if self._factor == 0:
            return True
        if self._start is None:
            self._start = real, simulated
        behind = (real - self._start[0]) * self._factor - (simulated - self._start[1])
        if behind > self._patience:  # too slow a machine: it is not to race later
            self._start = real, simulated
        return behind >= 0


class Simulation:
    """World and robots. One thread may use it: the one that made it (OpenGL wants that)."""

    def __init__(self, world: Path, names: Sequence[str]) -> None:
        """Open a world, with robots of these names at their starts.

        world: a file from prepare_world(), beside it the template of robots.
        """
        self._mujoco = load_mujoco()
        read = read_world(world)
        self.robots: dict[str, Model] = {r.name: r for r in robots(world.parent, names)}
        mjcf = convert(read, world.parent, tuple(self.robots.values()))
        try:
            self._model = self._mujoco.MjModel.from_xml_string(mjcf.xml, mjcf.assets)
        except (ValueError, self._mujoco.FatalError) as error:
            raise DataError(f'{world}: MuJoCo cannot build it: {one_line(error)}') from error
        self._data = self._mujoco.MjData(self._model)
        self._steps = 0
        self.step_ns = round(read.step * 1e9)
        self._odometry = {
            name: WheelOdometry(self._model, self._data, robot)
            for name, robot in self.robots.items()
        }
        self._renderers: dict[tuple[int, int], Any] = {}
        self._option = self._mujoco.MjvOption()
        self._option.geomgroup[:] = 0
        self._option.geomgroup[VISIBLE_GROUP] = 1
        clip = self._model.vis.map
        self._all = clip.znear * self._model.stat.extent, clip.zfar * self._model.stat.extent
        self._mujoco.mj_forward(self._model, self._data)

    @classmethod
    def open(cls, world: Path, robots: int) -> Simulation:
        """Open a world with this number of robots, named robot_0 and so on."""
        return cls(world, robot_names(robots))

    @property
    def time_ns(self) -> int:
        """Simulated time, ns; a multiple of the step, so without rounding errors."""
        return self._steps * self.step_ns

    @property
    def time(self) -> float:
        """Simulated time, s."""
        return self.time_ns * 1e-9

    def step(self, count: int = 1) -> None:
        """Simulate `count` steps; SimulatorError if the physics became unstable."""
        for _ in range(count):
            self._mujoco.mj_step(self._model, self._data)
            self._steps += 1
            for odometry in self._odometry.values():
                odometry.update()
        kind = self._mujoco.mjtWarning
        for warning in (kind.mjWARN_BADQPOS, kind.mjWARN_BADQVEL, kind.mjWARN_BADQACC):
            if self._data.warning[warning].number:  # MuJoCo has put everything back to its start
                raise SimulatorError(
                    f'the physics became unstable before {self.time:.2f} s: max_step_size of the '
                    f'world, {self.step_ns * 1e-9:g} s, may be too long'
                )

    def drive(self, robot: str, linear: float, angular: float) -> None:
        """Set a robot's speed, m/s, and turn rate, rad/s; it holds until the next call.

        Both are kept within the limits of its DiffDrive; ConfigError if one is no number.
        """
        if not np.isfinite((linear, angular)).all():
            raise ConfigError(f'{robot}: speed {linear}, turn rate {angular}: finite is needed')
        self._odometry[robot].drive(linear, angular)

    def ground_truth(self, robot: str) -> Motion:
        """Return where a robot is in the world and how it moves."""
        base = self.robots[robot].links[0].name
        return motion_of(self._model, self._data, f'{robot}/{base}', free_joint(robot, base))

    def odometry(self, robot: str) -> Motion:
        """Return where a robot believes to be by its wheels: from its start, as DiffDrive does."""
        return self._odometry[robot].motion(self.step_ns * 1e-9)

    def camera(self, robot: str) -> Camera:
        """Return the description of a robot's camera."""
        return next(c for link in self.robots[robot].links for c in link.cameras)

    def image(self, robot: str) -> Rgb:
        """Return what a robot's camera sees now, uint8 [height, width, 3]."""
        camera = self.camera(robot)
        renderer = self._renderer(camera.height, camera.width)
        self._clip(camera.near, camera.far)
        renderer.update_scene(self._data, camera=camera.name, scene_option=self._option)
        return np.asarray(renderer.render(), np.uint8)

    def top_view(self, width: int = 800, height: int = 800) -> Rgb:
        """Return the hall from above, without perspective: uint8 [height, width, 3], +y up.

        TopView(width, height).pixel(x, y) says where a point of the floor is in it.
        """
        renderer = self._renderer(height, width)
        self._clip(*self._all)
        renderer.update_scene(self._data, scene_option=self._option)
        TopView(width, height).aim(renderer.scene.camera)
        return np.asarray(renderer.render(), np.uint8)

    def close(self) -> None:
        """Free the renderers."""
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers.clear()

    def _clip(self, near: float, far: float) -> None:
        """Draw the next picture from `near` to `far`, m ahead: MuJoCo has one pair for all."""
        clip, extent = self._model.vis.map, self._model.stat.extent
        clip.znear, clip.zfar = near / extent, far / extent

    def _renderer(self, height: int, width: int) -> Any:
        if (height, width) not in self._renderers:
            self._model.vis.global_.offheight, self._model.vis.global_.offwidth = height, width
            try:
                renderer = self._mujoco.Renderer(self._model, height, width)
            except Exception as error:  # PyOpenGL's errors have no common base
                used = os.environ.get(VARIABLE)
                raise SimulatorError(
                    f'{used} cannot draw pictures ({error}): {_REMEDY}'
                ) from error
            self._renderers[height, width] = renderer
        return self._renderers[height, width]
