"""Processes of one machine join DDS one after the other.

Fast DDS 2 opens its shared-memory ports in a race: of 24 processes that joined in the same moment
on two busy cores, two to four heard next to nobody ever after in two tries of four, although the
others heard them. One after the other, none of 20 in three tries. In a demo of a mesh one robot of
ten learned alone for that reason.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PATIENCE = 20.0
_POLL = 0.01


@contextmanager
def one_at_a_time(folder: Path | None = None, patience: float = _PATIENCE) -> Iterator[None]:
    """Hold the lock of this machine; go on without it after `patience` s, or if there is none."""
    path = (folder or Path(tempfile.gettempdir())) / 'iot_fl_ros.lock'
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        file = os.open(path, flags, 0o666)
    except OSError:  # another user's, or no place for files
        yield
        return
    try:
        _wait(file, time.monotonic() + patience)
        yield
    finally:
        os.close(file)  # and with it goes the lock


def _wait(file: int, end: float) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return
            time.sleep(_POLL)
        else:
            return
