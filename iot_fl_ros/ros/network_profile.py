"""The Fast DDS settings that our processes use unless the user has chosen his own.

DDS repairs a lost sample at the writer's next heartbeat, by default every 3 s; a burst of chunks
that overflows a shared-memory segment then costs a round 3 s. The profile asks every 50 ms.
"""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version

from iot_fl_ros.ros.share import share_folder

# Jazzy's Fast DDS 2 reads the first name, Kilted's Fast DDS 3 the second.
_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
_FILES = {'jazzy': 'fastdds_2.xml', 'kilted': 'fastdds_3.xml'}


def use_network_profile() -> None:
    """Set the profile for this process, before rclpy.init; a profile of the user's is kept."""
    if any(os.environ.get(name) for name in _VARIABLES):
        return
    distro = _distro()
    if distro in _FILES:
        name = _VARIABLES[0] if distro == 'jazzy' else _VARIABLES[1]
        os.environ[name] = str(share_folder() / 'config' / _FILES[distro])


def _distro() -> str:
    """Return the ROS 2 distribution: of the wheels if they are here, else of the environment."""
    for distro in _FILES:
        try:
            version(f'ros-{distro}-rclpy')
        except PackageNotFoundError:
            continue
        return distro
    return os.environ.get('ROS_DISTRO', '')
