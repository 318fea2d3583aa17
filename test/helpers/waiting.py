"""Wait for a condition, and say what the processes printed if it does not come true."""

from __future__ import annotations

import time
from collections.abc import Callable

from iot_fl_ros.processes.nodes import NodeProcesses

_POLL = 0.02
_REST = 4.0
_LONGEST = 0.5  # some conditions are true for a while only


def wait_for(
    condition: Callable[[], object], timeout: float = 120.0, fleet: NodeProcesses | None = None
) -> None:
    """Return once `condition()` is true; AssertionError after `timeout` s.

    fleet: its exit codes and the ends of its logs are in the error.
    """
    end = time.monotonic() + timeout
    while True:
        looked = time.monotonic()
        if condition():
            return
        now = time.monotonic()
        assert now < end, f'not true in {timeout:.0f} s\n{told_by(fleet)}'
        # To look may mean to read long files: most of the time is for those who are waited for.
        time.sleep(min(max(_POLL, _REST * (now - looked)), _LONGEST))


def told_by(fleet: NodeProcesses | None) -> str:
    """Return the exit codes of processes, and the ends of their logs."""
    if fleet is None:
        return ''
    logs = [f'--- {name}: code {code}\n{fleet.tail(name)}' for name, code in fleet.codes().items()]
    return '\n'.join(logs)
