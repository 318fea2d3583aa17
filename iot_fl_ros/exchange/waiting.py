"""Who waits says for what: not at once, as most waiting is short, but again and again."""

from __future__ import annotations

from iot_fl_ros.core.effects import Effect, Say

PERIOD = 10.0


class Waiting:
    """Says what a participant waits for every `PERIOD` s, as long as it waits for the same."""

    def __init__(self) -> None:
        self._kind = ''
        self._since = self._said = 0.0

    def seconds(self, now: float) -> float:
        """Return for how long it has waited for the same, s."""
        return max(0.0, now - self._since) if self._kind else 0.0

    def look(self, kind: str, text: str, now: float) -> list[Effect]:
        """Say the text if it is time to. kind: of waiting, '' = there is nothing to wait for."""
        if kind != self._kind or now < self._said:  # or the clock was set back
            self._kind, self._since, self._said = kind, now, now
        if not kind or now - self._said < PERIOD:
            return []
        self._said = now
        return [Say(f'waits for {text}, {now - self._since:.0f} s so far')]
