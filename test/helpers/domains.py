"""DDS domains of the tests: no two processes that run tests on this machine share one.

Ports of domains 1 to 101 lie below Linux's ephemeral ones (32768 to 60999). The sixty lower ones
are six blocks of ten, the others are for fleets of `iot-fl` (processes.nodes.private_domain). Each
process that runs tests, such as a worker of pytest-xdist, takes the first block whose lock is free
and keeps it until it ends. Within a block domains take turns, so that nobody meets the last
breaths of the test before.
"""

from __future__ import annotations

import fcntl
import functools
import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

BLOCKS = 6
SIZE = 10


def next_domain() -> int:
    """Return the next domain of this process."""
    return next(_turns())


@functools.cache
def _turns() -> Iterator[int]:
    first = 1 + SIZE * take_block(Path(tempfile.gettempdir()))
    return itertools.cycle(range(first, first + SIZE))


def take_block(folder: Path) -> int:
    """Lock a block until this process ends; return its number. RuntimeError if none is free."""
    for block in range(BLOCKS):
        try:
            file = os.open(
                folder / f'iot_fl_ros_domains_{block}.lock',
                os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666,
            )  # fmt: skip
        except PermissionError:  # another user's
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
        else:
            return block
    raise RuntimeError(f'{BLOCKS} processes run tests on this machine already')
