"""PEP 517 backend: setuptools, plus the ROS 2 wheels of the distribution to build against.

`ROS_DISTRO` chooses the distribution (default jazzy). The lists live in `requirements/`, because
the wheels under-declare what a build needs and differ between distributions.
"""

from __future__ import annotations

import os
from pathlib import Path

from setuptools.build_meta import *  # noqa: F403
from setuptools.build_meta import get_requires_for_build_wheel as _setuptools_requires

ROOT = Path(__file__).resolve().parents[1]


def ros_build_requires() -> list[str]:
    """Return the requirement strings for building against `ROS_DISTRO`."""
    distro = os.environ.get('ROS_DISTRO', 'jazzy')
    path = ROOT / 'requirements' / f'ros-{distro}.txt'
    if not path.is_file():
        raise SystemExit(f'ROS_DISTRO={distro} is not supported: set it to jazzy or kilted')
    lines = (line.strip() for line in path.read_text().splitlines())
    return [line for line in lines if line and not line.startswith('#')]


def get_requires_for_build_wheel(config_settings: dict | None = None) -> list[str]:
    """Add the ROS 2 wheels to what setuptools asks for."""
    return [*_setuptools_requires(config_settings), *ros_build_requires()]
