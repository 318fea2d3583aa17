"""pip build: run the CMakeLists.txt that colcon runs, and pack what it installs into a wheel."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from distutils.command.install_data import install_data
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from xml.etree import ElementTree

from setuptools import Distribution, find_packages, setup
from setuptools.command.build_py import build_py

NAME = 'iot_fl_ros'
ROOT = Path(__file__).resolve().parent
# Out of the tree: a staged package.xml inside it would be found by colcon. The Makefile names a
# folder that it keeps, so that a second build compiles only what changed.
WORK = Path(os.environ.get('IOT_FL_ROS_BUILD_DIR') or tempfile.mkdtemp(prefix=f'{NAME}-pip-'))
STAGE = WORK / 'stage'
CMAKE_INPUTS = ('CMakeLists.txt', 'package.xml', 'msg', 'srv', 'launch', 'config', 'worlds', NAME)
ROS_RUNTIME = (
    'rclpy', 'std-msgs', 'sensor-msgs', 'diagnostic-msgs', 'lifecycle-msgs', 'rmw-fastrtps-cpp',
    'geometry-msgs', 'nav-msgs', 'rosgraph-msgs',
)  # fmt: skip


def ros_distro() -> str:
    """Return the ROS 2 distribution to build for: `ROS_DISTRO`, else the one installed here."""
    if 'ROS_DISTRO' in os.environ:
        return os.environ['ROS_DISTRO']
    for distro in ('jazzy', 'kilted'):
        try:
            version(f'ros-{distro}-rclpy')
        except PackageNotFoundError:
            continue
        return distro
    return 'jazzy'


def requirements(name: str) -> list[str]:
    """Return the lines of a file in requirements/."""
    lines = (ROOT / 'requirements' / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith('#')]


def runtime_requires() -> list[str]:
    """Return `requirements/runtime.txt` and the ROS 2 wheels of the distribution."""
    return [
        *requirements('runtime.txt'),
        *(f'ros-{ros_distro()}-{package}' for package in ROS_RUNTIME),
    ]


def copy_inputs(target: Path) -> None:
    """Copy what CMake reads to `target`.

    CMake refuses include paths inside its source folder, where a venv of the user's may well be.
    """
    target.mkdir(parents=True)
    for name in CMAKE_INPUTS:
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, target / name, ignore=shutil.ignore_patterns('__pycache__')
            )
        else:
            shutil.copy2(ROOT / name, target / name)


class BinaryDistribution(Distribution):
    """A distribution whose wheel is bound to a platform, for its compiled type supports."""

    def has_ext_modules(self) -> bool:
        """Say so."""
        return True


class CMakeBuildPy(build_py):
    """Take the Python package from the CMake install tree, with the generated messages in it."""

    def run(self) -> None:
        """Configure, build and install into the stage, then copy the package to build_lib."""
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        # Not sys.prefix: with build isolation the wheels are in an overlay.
        spec = importlib.util.find_spec('rosidl_cmake')
        if spec is None or spec.origin is None:
            raise SystemExit('ROS 2 is not importable: build with pip, which installs its wheels')
        prefix = str(Path(spec.origin).parents[4])
        paths = (os.environ.get('AMENT_PREFIX_PATH'), prefix)
        env = {**os.environ, 'AMENT_PREFIX_PATH': os.pathsep.join(filter(None, paths))}
        build = str(WORK / 'cmake')
        source = WORK / 'source'
        for stale in (STAGE, source):
            shutil.rmtree(stale, ignore_errors=True)
        copy_inputs(source)
        configure = [
            'cmake', '-S', str(source), '-B', build, '-DBUILD_TESTING=OFF',
            '-DCMAKE_BUILD_TYPE=Release', f'-DCMAKE_INSTALL_PREFIX={STAGE}',
            f'-DCMAKE_PREFIX_PATH={prefix}', f'-DPython3_EXECUTABLE={sys.executable}',
            '-DPYTHON_INSTALL_DIR=python',
        ]  # fmt: skip
        for command in (
            configure,
            ['cmake', '--build', build, '-j', str(os.cpu_count() or 1)],
            ['cmake', '--install', build],
        ):
            subprocess.run(command, check=True, env=env)
        shutil.copytree(
            STAGE / 'python' / NAME,
            Path(self.build_lib) / NAME,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns('*.c', '__pycache__'),
        )


class StageData(install_data):
    """Pack lib/, share/ and include/ where the ros-* wheels put theirs: under sys.prefix."""

    def run(self) -> None:
        """Copy every staged file."""
        for top in ('lib', 'share', 'include'):
            for source in sorted((STAGE / top).rglob('*')):
                if source.is_file():
                    target = Path(self.install_dir) / source.parent.relative_to(STAGE)
                    self.mkpath(str(target))
                    self.outfiles.append(self.copy_file(str(source), str(target))[0])


setup(
    name=NAME,
    version=ElementTree.parse(ROOT / 'package.xml').findtext('version'),
    description='Federated learning for fleets of robots and sensors over DDS',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(include=[NAME, f'{NAME}.*']),
    distclass=BinaryDistribution,
    options={'build': {'build_base': str(WORK / 'setuptools')}},
    cmdclass={'build_py': CMakeBuildPy, 'install_data': StageData},
    data_files=[(f'share/{NAME}', ['package.xml'])],
    install_requires=runtime_requires(),
    extras_require={'sim': requirements('sim.txt')},
    entry_points={'console_scripts': ['iot-fl = iot_fl_ros.cli.main:main']},
)
