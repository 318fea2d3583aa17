"""Starts one executable: `launcher.py NAME [arguments]`.

Takes the signals before anything slow is imported, so that one that comes during the imports is
obeyed too. Importing a node's module changes nothing in the process.
"""

from __future__ import annotations

import importlib
import sys

from iot_fl_ros.nodes.process import catch_signals


def launch(name: str, args: list[str] | None = None) -> int:
    """Run the executable `name` until its end; return its exit code."""
    catch_signals()
    return int(importlib.import_module(f'iot_fl_ros.nodes.{name}').main(args))


if __name__ == '__main__':
    raise SystemExit(launch(sys.argv[1], sys.argv[1:]))
