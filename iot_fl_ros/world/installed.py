"""The world and the robot that this package brings along, as files."""

from __future__ import annotations

import sys
from pathlib import Path

from iot_fl_ros.core.errors import DataError

WORLD, TEMPLATE = 'fleet.sdf', 'camera_robot.sdf'


def worlds_folder() -> Path:
    """Return where the world files are: installed, or beside this package in a checkout."""
    places = [Path(sys.prefix) / 'share' / 'iot_fl_ros' / 'worlds']
    try:
        from ament_index_python.packages import get_package_share_directory

        places.insert(0, Path(get_package_share_directory('iot_fl_ros')) / 'worlds')
    except (ImportError, LookupError, OSError):
        pass
    for place in places:
        if (place / WORLD).is_file():
            return place
    raise DataError(f'no {WORLD} in {places[-1]}: install the package (make setup)')
