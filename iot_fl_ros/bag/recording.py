"""Between subscriptions and a bag: a bounded queue and the one thread that writes.

Nobody who receives messages ever waits for the disk. What does not fit the queue is dropped and
counted.
"""

from __future__ import annotations

import importlib
import importlib.util
import queue
import re
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from iot_fl_ros.bag.writer import BagWriter
from iot_fl_ros.core.errors import DataError, IotFlError

# What a message costs besides its bytes, so that many small ones fill the queue too.
_OVERHEAD = 256
_BEST_EFFORT_DEPTH = 1_000
# As anybody in the network may write it.
_TYPE = re.compile(r'([a-z][a-z0-9_]*)/(msg|srv|action)/([A-Z][A-Za-z0-9_]*)')


def message_class(ros_type: str) -> type:
    """Return the class of `package/msg/Name`, or of a message of a service or an action.

    Those are `package/srv/Name_Event` and the like, `package/action/Name_FeedbackMessage`,
    `package/action/Name_SendGoal_Event`. DataError if it is not installed.
    """
    named = _TYPE.fullmatch(ros_type)
    if not named:
        raise DataError(f'{ros_type!r} is no name of a type')
    package, kind, name = named.groups()
    if not _has_messages(package):  # whatever is imported runs
        raise DataError(f'{ros_type} is not installed')
    try:
        module = importlib.import_module(f'{package}.{kind}')
        if kind == 'msg':
            found = getattr(module, name)
        elif kind == 'srv':
            service, _, part = name.rpartition('_')
            found = getattr(getattr(module, service), part)
        else:
            action, _, part = name.partition('_')
            found = getattr(module, action).Impl
            for step in (
                part.replace('SendGoal_', 'SendGoalService_')
                .replace('GetResult_', 'GetResultService_')
                .split('_')
            ):
                found = getattr(found, step)
    except (Exception, SystemExit) as error:  # whatever happens when a package is imported
        raise DataError(f'{ros_type} is not installed') from error
    if not isinstance(found, type) or not hasattr(found, '_TYPE_SUPPORT'):
        raise DataError(f'{ros_type} is no message')
    return found


def _has_messages(package: str) -> bool:
    """Return whether an installed package holds messages, without importing it."""
    spec = importlib.util.find_spec(package)
    folders = (spec.submodule_search_locations or ()) if spec else ()
    return any(any(Path(folder).glob('*__rosidl_typesupport_*')) for folder in folders)


def subscription_for(offered: Sequence[QoSProfile]) -> QoSProfile:
    """Return the strongest profile that matches all publishers of a topic.

    A subscription that asks for more than one of them offers would get nothing from that one.
    """
    reliable = bool(offered) and all(p.reliability is ReliabilityPolicy.RELIABLE for p in offered)
    latched = bool(offered) and all(
        p.durability is DurabilityPolicy.TRANSIENT_LOCAL for p in offered
    )
    return QoSProfile(
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        # What came reliably must not be pushed out of our own queue.
        history=HistoryPolicy.KEEP_ALL if reliable else HistoryPolicy.KEEP_LAST,
        depth=_BEST_EFFORT_DEPTH,
    )


class RecordingThread:
    """Writes what `put` is given, in order. Times are ns, sizes bytes.

    max_bytes: of waiting messages. flush_period: what is older than so many seconds survives the
    death of this process. error: why nothing is written any more, '' = all is well.
    """

    def __init__(self, writer: BagWriter, max_bytes: int, flush_period: float) -> None:
        self.received = 0
        self.received_bytes = 0
        self.dropped = 0
        self.most_waiting = 0
        self.error = ''
        self._writer = writer
        self._max_bytes = max_bytes
        self._flush_period = flush_period
        # What the thread has to do, and the size of its message; none: it ends.
        self._queue: queue.SimpleQueue[tuple[Callable[[], None], int] | None] = queue.SimpleQueue()
        self._waiting = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name='bag writer', daemon=True)
        self._thread.start()

    @property
    def written(self) -> int:
        """Messages in the bag."""
        return self._writer.count

    def add_topic(self, topic: str, ros_type: str, qos: Sequence[QoSProfile]) -> None:
        """Declare a topic before its first message."""
        self._queue.put((partial(self._writer.add_topic, topic, ros_type, tuple(qos)), 0))

    def put(self, topic: str, stamp: int, raw: bytes) -> bool:
        """Take a message; return whether it will be written."""
        size = len(raw) + _OVERHEAD
        with self._lock:
            self.received += 1
            self.received_bytes += len(raw)
            if self.error or self._waiting + size > self._max_bytes:
                self.dropped += 1
                return False
            self._waiting += size
            self.most_waiting = max(self.most_waiting, self._waiting)
        self._queue.put((partial(self._writer.write, topic, stamp, raw), size))
        return True

    def close(self) -> None:
        """Write what waits and finish the bag."""
        self._queue.put((self._writer.close, 0))
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        due = time.monotonic() + self._flush_period
        while True:
            try:
                item = self._queue.get(timeout=max(0.0, due - time.monotonic()))
            except queue.Empty:
                item = self._writer.flush, 0
            if item is None:
                return
            if time.monotonic() >= due:
                self._do(self._writer.flush, 0)
                due = time.monotonic() + self._flush_period
            self._do(*item)

    def _do(self, work: Callable[[], None], size: int) -> None:
        """Do one thing unless writing has failed before."""
        try:
            if not self.error:
                work()
        except (IotFlError, OSError) as error:
            self.error = f'{self._writer.path}: {error}'
        with self._lock:
            self._waiting -= size
