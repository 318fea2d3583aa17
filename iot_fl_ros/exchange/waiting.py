"""Who waits says for what: not at once, as most waiting is short, but again and again."""

from __future__ import annotations

import math

from iot_fl_ros.core.effects import Effect, Say, Warn

PERIOD = 10.0
# Silence after which something that should come all the time is missed, s.
_MISSED = 4.0
# Silence after which it is missed no more, s: whoever is away for so long has gone.
GIVEN_UP = 60.0


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


class Missed:
    """Says when something that should come all the time stays away, and when it is back.

    what: in the plural. hint: what may be the reason. given_up: silence after which it is missed
    no more, s, as whoever is away for so long has gone. What came again soon is slow, not away: it
    is missed later from then on.
    """

    def __init__(self, what: str, hint: str = '', given_up: float = math.inf) -> None:
        self._what, self._hint = what, f': {hint}' if hint else ''
        self._given_up = given_up
        self._usual = self._due = _MISSED
        self._silence = 0.0

    def look(self, silence: float) -> list[Effect]:
        """Say that it stays away, if it is time to. silence: for how long it has not come, s."""
        if silence < self._silence:  # it began anew, without a word
            self._due = self._usual
        self._silence = silence
        if silence < self._due:
            return []
        last = silence + PERIOD > self._given_up
        self._due = math.inf if last else silence + PERIOD
        hint = '. That is said no more' if last else self._hint
        text = f'no {self._what} for {silence:.0f} s{hint}'
        return [Warn(text, text)]  # a key of its own: it is throttled here already

    def came(self) -> list[Effect]:
        """Say that it is back, if it was missed."""
        missed, silence = self._due != self._usual, self._silence
        if missed and silence < PERIOD:
            self._usual = PERIOD
        self._due, self._silence = self._usual, 0.0
        return [Say(f'{self._what} come again, after {silence:.0f} s')] if missed else []
