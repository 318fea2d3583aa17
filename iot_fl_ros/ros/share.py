"""The folder of the package's launch and config files."""

from __future__ import annotations

import sys
from pathlib import Path

from iot_fl_ros.core.errors import DataError


def share_folder() -> Path:
    """Return share/iot_fl_ros: of the ament index, else of this Python's prefix (wheels)."""
    try:
        from ament_index_python.packages import get_package_share_directory

        return Path(get_package_share_directory('iot_fl_ros'))
    except (ImportError, LookupError, OSError):
        path = Path(sys.prefix) / 'share' / 'iot_fl_ros'
    if not path.is_dir():
        raise DataError(f'{path} does not exist: install the package (make setup)')
    return path
