"""One thread for heavy work, so that a node's executor thread always answers."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any


class WorkerThread:
    """Runs functions one at a time, in order. Several robots of a process may share it."""

    def __init__(self) -> None:
        self._queue: queue.Queue[Callable[[], Any] | None] = queue.Queue()
        self._stopping = False
        # A daemon: a training step that takes long must not keep the process from ending.
        self._thread = threading.Thread(target=self._loop, name='worker', daemon=True)
        self._thread.start()

    def submit(self, function: Callable[[], Any]) -> None:
        """Run `function` after those before it; it handles its own errors."""
        self._queue.put(function)

    def stop(self, timeout: float) -> bool:
        """Drop what has not begun, wait up to `timeout` s for the rest; return if it ended."""
        self._stopping = True
        self._queue.put(None)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _loop(self) -> None:
        while (function := self._queue.get()) is not None:
            if not self._stopping:
                function()
