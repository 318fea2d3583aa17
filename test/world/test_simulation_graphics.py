"""The graphics library: chosen by itself, and one clear error where there is none."""

import importlib.util
import os
import subprocess
import sys

import pytest

from iot_fl_ros.core.errors import SimulatorError
from iot_fl_ros.world import simulation

# Not importorskip: an import before the choice would choose a library that needs a screen.
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec('mujoco') is None, reason="pip install 'iot_fl_ros[sim]'"
)


def test_without_a_library_the_error_names_the_remedy(monkeypatch):
    monkeypatch.setenv(simulation.VARIABLE, '')  # so that it is put back afterwards
    monkeypatch.setattr(simulation.ctypes.util, 'find_library', lambda name: None)
    with pytest.raises(SimulatorError, match=r'apt-get install .*MUJOCO_GL'):
        simulation.load_mujoco()


def test_osmesa_is_taken_where_there_is_no_egl(monkeypatch):
    monkeypatch.setenv(simulation.VARIABLE, '')  # so that it is put back afterwards
    monkeypatch.setattr(simulation.ctypes.util, 'find_library', {'OSMesa': 'x.so'}.get)
    simulation._choose()
    assert os.environ[simulation.VARIABLE] == 'osmesa'


@pytest.mark.parametrize('library', ['osmesa', 'nonsense'])
def test_a_library_that_does_not_work_is_one_error(library):
    if library == 'osmesa' and simulation.ctypes.util.find_library('OSMesa'):
        pytest.skip('OSMesa is installed here')
    code = (
        'from iot_fl_ros.world.simulation import load_mujoco\n'
        'from iot_fl_ros.core.errors import SimulatorError\n'
        'for _ in range(2):\n'  # the second time must not get further
        '    try: load_mujoco()\n'
        '    except SimulatorError as error: print("refused:", error)'
    )
    # A test before this one may have chosen EGL for PyOpenGL in this process.
    env = {name: value for name, value in os.environ.items() if name != 'PYOPENGL_PLATFORM'}
    done = subprocess.run(
        [sys.executable, '-c', code], env={**env, simulation.VARIABLE: library},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.count('refused: ') == 2, done.stdout + done.stderr
    assert 'MUJOCO_GL' in done.stdout
