"""Fast DDS settings of our processes, chosen by name.

A profile is an XML file in config/network, once for Fast DDS 2 (Jazzy) and once for Fast DDS 3
(Kilted). A profile that the user's environment names already is kept.
"""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.ros.share import share_folder

VARIABLE = 'IOT_FL_NETWORK_PROFILE'
DEFAULT = 'same-host'
# The first is the default: it also works between hosts whose network loses next to nothing.
PROFILES = (DEFAULT, 'wifi', 'large-data', 'discovery-server', 'camera')
DISCOVERY_SERVER = 'ROS_DISCOVERY_SERVER'

# Jazzy's Fast DDS 2 reads the first name, Kilted's Fast DDS 3 the second.
_FILE_VARIABLES = {'jazzy': 'FASTRTPS_DEFAULT_PROFILES_FILE',
                   'kilted': 'FASTDDS_DEFAULT_PROFILES_FILE'}  # fmt: skip
_FOLDERS = {'jazzy': 'fastdds_2', 'kilted': 'fastdds_3'}


def use_network_profile(default: str = DEFAULT) -> None:
    """Set the profile that IOT_FL_NETWORK_PROFILE names for this process, before rclpy.init.

    default: the profile if the variable is not set.
    ConfigError if there is no such profile, or if it needs a server that nobody names.
    """
    os.environ.update(profile_environment(os.environ.get(VARIABLE) or default))


def profile_environment(name: str) -> dict[str, str]:
    """Return the environment variables of a profile; none if the user has set one of his own."""
    if name not in PROFILES:
        raise ConfigError(f'network profile {name!r} is unknown: choose one of {PROFILES}')
    if name == 'discovery-server' and not os.environ.get(DISCOVERY_SERVER):
        raise ConfigError(
            f'network profile discovery-server needs {DISCOVERY_SERVER}=HOST:PORT; start the '
            'server with `fastdds discovery -i 0 -l HOST -p PORT`'
        )
    if any(os.environ.get(variable) for variable in _FILE_VARIABLES.values()):
        return {}
    distro = _distro()
    if distro not in _FOLDERS:
        return {}
    file = share_folder() / 'config' / 'network' / _FOLDERS[distro] / f'{_file_name(name)}.xml'
    return {_FILE_VARIABLES[distro]: str(file)}


def _file_name(name: str) -> str:
    return name.replace('-', '_')


def _distro() -> str:
    """Return the ROS 2 distribution: of the wheels if they are here, else of the environment."""
    for distro in _FOLDERS:
        try:
            version(f'ros-{distro}-rclpy')
        except PackageNotFoundError:
            continue
        return distro
    return os.environ.get('ROS_DISTRO', '')
