"""A service whose response may come later than its callback ends."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.node import Node

# (request, response to be filled in, what to call once it is)
Callback = Callable[[Any, Any, Callable[[], None]], None]


class LateService:
    """Offers a service; `callback(request, response, done)` calls `done()` now or later.

    rclpy has `async` callbacks for this, but with the SingleThreadedExecutor one that waits holds
    up all other callbacks of its node, and the EventsExecutor (of Jazzy at least) takes the
    coroutine for the response and dies. So here the executor's sending is put off.
    """

    def __init__(self, node: Node, srv_type: Any, name: str, callback: Callback) -> None:
        self._callback = callback
        # By identity of the response; None until the executor says where it shall go.
        self._open: dict[int, Any] = {}
        service = node.create_service(srv_type, name, self._requested)
        self._send = service.send_response
        service.send_response = self._send_later  # type: ignore[method-assign]

    def _requested(self, request: Any, response: Any) -> Any:
        self._open[id(response)] = None
        self._callback(request, response, partial(self._done, response))
        return response

    def _send_later(self, response: Any, header: Any) -> None:
        """Take the executor's call behind the callback."""
        if id(response) in self._open:
            self._open[id(response)] = header
        else:
            self._send(response, header)

    def _done(self, response: Any) -> None:
        header = self._open.pop(id(response), None)
        if header is not None:
            self._send(response, header)
