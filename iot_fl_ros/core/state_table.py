"""States that change only as their tables say.

Rules of all tables:
- A pair (state, trigger) that is not in the table is a bug and raises.
- docs/state_machines.md is drawn from the tables by tools/generate_docs.py.
- The values of states are those of the wire where there is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Generic, TypeVar

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
