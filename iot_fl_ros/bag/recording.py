"""Between subscriptions and a bag: a bounded queue and the one thread that writes.

Nobody who receives messages ever waits for the disk. What does not fit the queue is dropped and
counted.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

from rclpy.qos import QoSProfile

from iot_fl_ros.bag.writer import BagWriter
from iot_fl_ros.core.errors import IotFlError

# What a message costs besides its bytes, so that many small ones fill the queue too.
_OVERHEAD = 256


class _Message(NamedTuple):
    topic: str
    stamp: int
    raw: bytes


class _Topic(NamedTuple):
    topic: str
    ros_type: str
    qos: tuple[QoSProfile, ...]


class _Flush(NamedTuple):
    pass


_FLUSH = _Flush()


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
        self._queue: queue.SimpleQueue[_Message | _Topic | _Flush | None] = queue.SimpleQueue()
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
        self._queue.put(_Topic(topic, ros_type, tuple(qos)))

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
        self._queue.put(_Message(topic, stamp, raw))
        return True

    def close(self) -> None:
        """Write what waits and finish the bag."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        due = time.monotonic() + self._flush_period
        while True:
            try:
                item = self._queue.get(timeout=max(0.0, due - time.monotonic()))
            except queue.Empty:
                item = _FLUSH
            if time.monotonic() >= due:
                self._do(_FLUSH)
                due = time.monotonic() + self._flush_period
            self._do(item)
            if item is None:
                return

    def _do(self, item: _Message | _Topic | _Flush | None) -> None:
        """Do one thing unless writing has failed before; none = finish the bag."""
        try:
            if not self.error:
                self._write(item)
        except (IotFlError, OSError) as error:
            self.error = f'{self._writer.path}: {error}'
        if isinstance(item, _Message):
            with self._lock:
                self._waiting -= len(item.raw) + _OVERHEAD

    def _write(self, item: _Message | _Topic | _Flush | None) -> None:
        match item:
            case _Message(topic, stamp, raw):
                self._writer.write(topic, stamp, raw)
            case _Topic(topic, ros_type, qos):
                self._writer.add_topic(topic, ros_type, qos)
            case _Flush():
                self._writer.flush()
            case None:
                self._writer.close()
