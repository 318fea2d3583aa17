"""MuJoCo with a graphics library that needs no screen: EGL, or else OSMesa."""

from __future__ import annotations

import ctypes.util
import os
from typing import Any

from iot_fl_ros.core.errors import SimulatorError

VARIABLE = 'MUJOCO_GL'
_LIBRARIES = {'egl': 'EGL', 'osmesa': 'OSMesa'}
_REMEDY = (
    'install EGL (apt-get install libegl1 libegl-mesa0) or OSMesa (apt-get install libosmesa6); '
    f'{VARIABLE}=egl or osmesa chooses one'
)


_failure: SimulatorError | None = None


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
    except ImportError as error:
        missing = error.name == 'mujoco'
        _failure = SimulatorError(
            f"{error}: pip install 'iot_fl_ros[sim]'" if missing else _no_graphics(error)
        )
        raise _failure from error
    except (AttributeError, RuntimeError) as error:  # PyOpenGL without its library
        _failure = SimulatorError(_no_graphics(error))
        raise _failure from error
    return mujoco


def make_renderer(mujoco: Any, model: Any, height: int, width: int) -> Any:
    """Return a renderer for pictures of this size; SimulatorError if the library does not work."""
    try:
        return mujoco.Renderer(model, height, width)
    except Exception as error:  # PyOpenGL's errors have no common base
        library = os.environ.get(VARIABLE)
        raise SimulatorError(f'{library} cannot draw pictures ({error}): {_REMEDY}') from error


def _choose() -> None:
    if os.environ.get(VARIABLE):
        return
    for name, library in _LIBRARIES.items():
        if ctypes.util.find_library(library):
            os.environ[VARIABLE] = name
            return
    raise SimulatorError(f'there is no graphics library to draw pictures with: {_REMEDY}')


def _no_graphics(error: Exception) -> str:
    return f'MuJoCo cannot use {os.environ.get(VARIABLE)} ({error}): {_REMEDY}'
