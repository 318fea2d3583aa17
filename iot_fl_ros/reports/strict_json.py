"""JSON without NaN, which is no JSON."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from iot_fl_ros.core.run_files import write_json


def write_strict_json(path: Path, value: Any) -> None:
    """Write a file, and the folder that it is in; NaN becomes null."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, _strict(value))


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
