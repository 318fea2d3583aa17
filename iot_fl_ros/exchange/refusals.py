"""Counting what was refused, and from whom, within bounded memory."""

from __future__ import annotations

from collections import Counter

_MAX_ENTRIES = 1_000
OTHERS = '(others)'


class Refusals(Counter[tuple[str, str]]):
    """Counts per (sender, reason). Senders beyond the first thousand share one name."""

    def add(self, sender: str, reason: str) -> None:
        """Count one."""
        known = (sender, reason) in self or len(self) < _MAX_ENTRIES
        self[(sender if known else OTHERS), reason] += 1
