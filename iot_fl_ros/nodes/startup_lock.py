"""Processes of one machine join DDS one after the other.

Fast DDS 2 opens its shared-memory ports in a race: of 24 processes that joined in the same moment
on two busy cores, two to four heard next to nobody ever after in two tries of four, although the
others heard them. One after the other, none of 20 in three tries. In a demo of a mesh one robot of
ten learned alone for that reason.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PATIENCE = 20.0
_POLL = 0.01
_LONGEST = 64  # bytes of the line that says who holds the lock, and since when


@contextmanager
def one_at_a_time(folder: Path | None = None, patience: float = _PATIENCE) -> Iterator[None]:
    """Hold the lock of this machine; go on without it if there is none.

    patience: s for which one holder is waited for, however many others go first. Who loses it
    goes on as if it were the next holder: those behind it wait anew, and do not join with it.
    """
    path = (folder or Path(tempfile.gettempdir())) / 'iot_fl_ros.lock'
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        file = os.open(path, flags, 0o666)
    except OSError:  # another user's, or no place for files
        yield
        return
    try:
        _wait(file, patience)
        yield
    finally:
        os.close(file)  # and with it goes the lock


def _wait(file: int, patience: float) -> None:
    end, holder = _later(patience), b''
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            before, holder = holder, _read(file)
            if holder != before:
                end = _later(patience)
            elif time.monotonic() >= end:
                _sign(file)  # for the others it is the next holder
                return
            time.sleep(_POLL)
        else:
            _sign(file)
            return


def _later(patience: float) -> float:
    """Return when patience ends: not at the same moment for all that wait."""
    return time.monotonic() + patience * random.uniform(1.0, 1.5)


def _read(file: int) -> bytes:
    with contextlib.suppress(OSError):
        return os.pread(file, _LONGEST, 0)
    return b''


def _sign(file: int) -> None:
    with contextlib.suppress(OSError):  # a full disk: then patience is with all that wait
        os.pwrite(file, f'{os.getpid():<10} {time.monotonic_ns():<20}\n'.encode(), 0)
