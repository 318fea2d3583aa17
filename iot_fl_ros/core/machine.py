"""The seam between state machines, their workers and the drivers that run both."""

from __future__ import annotations

from typing import Any, Protocol

from iot_fl_ros.core.effects import Effect, SaveCheckpoint
from iot_fl_ros.core.events import Event


class Machine(Protocol):
    """A state machine without I/O: values in, values out, time as an argument."""

    def start(self, now: float) -> list[Effect]:
        """Return the first effects."""

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Take an event; return what to do about it."""


class Worker(Protocol):
    """Does the jobs of a machine. `keeps`: it has a place for checkpoints."""

    @property
    def keeps(self) -> bool:
        """True if `save` does anything."""

    def run(self, job: Any) -> Any:
        """Do a job; return its result."""

    def save(self, effect: SaveCheckpoint) -> None:
        """Write a checkpoint."""


class Stateless:
    """Base of workers that keep nothing between the lives of their machines."""

    keeps = False

    def save(self, effect: SaveCheckpoint) -> None:
        """Keep nothing."""
