"""Repeated requests for pieces of a set of tensors that stopped arriving.

DDS repairs a lost sample only at its writer's next heartbeat, by default after 3 s, unless the
writer sends something before. So the first requests are for one chunk: a nudge that lets DDS
repair the rest at once. Only when nudges do not help are all missing pieces asked for.
"""

from __future__ import annotations

FIRST_DELAY = 0.1
_MAX_DELAY = 5.0
_NUDGES = 4


class Repair:
    """Backs off while nothing arrives: 0.1, 0.2, 0.4 ... 5 s."""

    def __init__(self) -> None:
        self._attempts = 0

    @property
    def delay(self) -> float:
        """Time to wait before the next look, s."""
        return float(min(FIRST_DELAY * 2**self._attempts, _MAX_DELAY))

    def progressed(self) -> None:
        """Something arrived: be quick again."""
        self._attempts = 0

    def wanted(self, missing: tuple[int, ...]) -> tuple[int, ...]:
        """Return the chunks to ask for now, given the missing ones (empty = all, or unknown)."""
        self._attempts += 1
        if self._attempts <= _NUDGES:
            return missing[:1] or (0,)
        return missing
