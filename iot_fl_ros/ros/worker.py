"""One thread for heavy work, so that a node's executor thread always answers."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any


class WorkerThread:
    """Runs functions one at a time, in order. Several robots of a process may share it.

    The thread begins with the first function: many a process needs none.
    """

    def __init__(self) -> None:
        self._queue: queue.Queue[Callable[[], Any] | None] = queue.Queue()
        self._stopping = False
        # A daemon: a training step that takes long must not keep the process from ending.
        self._thread = threading.Thread(target=self._loop, name='worker', daemon=True)

    def submit(self, function: Callable[[], Any]) -> None:
        """Run `function` after those before it; it handles its own errors."""
        self._queue.put(function)
        if self._thread.ident is None:
            self._thread.start()

    def ask_to_stop(self) -> None:
        """Drop what has not begun."""
        self._stopping = True
        self._queue.put(None)

    def join(self, timeout: float) -> bool:
        """Wait up to `timeout` s for the job at hand; return whether the thread ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _loop(self) -> None:
        while (function := self._queue.get()) is not None:
            if not self._stopping:
                function()
