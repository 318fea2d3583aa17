"""The seam between state machines, their workers and drivers; states that follow a table.

Rules of all tables:
- A pair (state, trigger) that is not in the table is a bug and raises.
- docs/state_machines.md is drawn from the tables by tools/generate_docs.py.
- The values of states are those of the wire where there is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from iot_fl_ros.core.effects import Effect, SaveCheckpoint
from iot_fl_ros.core.errors import DataError
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

    def save_model(self, path: Path) -> None:
        """Write the model as it is now; DataError if there is none, OSError if it fails."""


class Stateless:
    """Base of workers that keep nothing between the lives of their machines."""

    keeps = False

    def save(self, effect: SaveCheckpoint) -> None:
        """Keep nothing."""

    def save_model(self, path: Path) -> None:
        """Tell that there is no model to save."""
        raise DataError('this node trains no model')


S = TypeVar('S', bound=Enum)
Table = Mapping[tuple[S, str], S]


class Tracker(Generic[S]):
    """Holds a state and lets it change only as its table says."""

    def __init__(self, table: Table[S], initial: S) -> None:
        self._table = table
        self.state = initial

    def go(self, trigger: str) -> None:
        """Follow `trigger`; raises LookupError if the table has no such transition."""
        try:
            self.state = self._table[self.state, trigger]
        except KeyError:
            raise LookupError(f'{trigger!r} cannot happen in {self.state}') from None
