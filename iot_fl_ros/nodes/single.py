"""The process of one node that needs no worker: it starts, and ends when the node has finished."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol


class SingleNode(Protocol):
    """What the process needs of its node."""

    @property
    def finished(self) -> bool:
        """Whether the process may end by itself."""

    def start(self) -> None:
        """Begin."""

    def close(self) -> None:
        """Stop in good order; IotFlError if what was to be kept is lost."""


class SingleApplication:
    """The process of the node that `make` returns."""

    use_events_executor = True

    def __init__(self, make: Callable[[], SingleNode]) -> None:
        self._node = make()
        self.nodes: Sequence[Any] = (self._node,)

    def start(self) -> None:
        """Begin."""
        self._node.start()

    @property
    def finished(self) -> bool:
        """Whether the node has done what it was started for."""
        return self._node.finished

    def close(self) -> None:
        """Stop in good order."""
        self._node.close()
