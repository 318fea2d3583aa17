"""Answers that a head waits for: how many came, how fast, and for how long there has been none."""

from __future__ import annotations

import math
from collections import deque

from iot_fl_ros.core.effects import Answered, Effect
from iot_fl_ros.core.messages.split import Inference
from iot_fl_ros.exchange.waiting import Missed
from iot_fl_ros.split.statistics import Recent

# Without a frame for so long none goes out, s: then it is the camera that is missed.
_PAUSE = 5.0
# Frames without an answer that are no chance.
_SEVERAL = 3
# Answered frames of which a second answer is known as one.
_REMEMBERED = 100
_NANO = 1e-9


class AwaitedAnswers:
    """The frames that a head has sent, and the answers to them.

    session: of the head. sent, answered: frames. seconds: from a picture's stamp to its answer.
    """

    def __init__(self, session: int) -> None:
        self.sent = self.answered = 0
        self.seconds = Recent()
        self._session = session
        self._since, self._frames = 0.0, 0  # without an answer: since when, and how many
        self._last_sent = -math.inf
        self._known: deque[int] = deque(maxlen=_REMEMBERED)  # numbers of frames
        self._missed = Missed('answers', 'is the tail running, and can it be reached?')

    def frame_sent(self, now: float) -> None:
        """Note that a frame has gone out."""
        self.sent += 1
        if self._paused(now) or not self._frames:
            self._since, self._frames = now, 0
        self._frames += 1
        self._last_sent = now

    def take(self, answer: Inference, now: float) -> list[Effect]:
        """Hand on an answer to a frame of this session, once, whichever edge it is from."""
        if answer.session != self._session or answer.frame in self._known:
            return []
        self._known.append(answer.frame)
        self._frames = 0
        self.answered += 1
        self.seconds.add(now - answer.header.stamp * _NANO)
        return [Answered(answer), *self._missed.came()]

    def silence(self, now: float) -> float:
        """Return for how long frames have gone out without an answer, s.

        0 if none goes out, or so few that it may be chance.
        """
        if self._frames < _SEVERAL or self._paused(now):
            return 0.0
        return max(0.0, now - self._since)

    def look(self, silence: float) -> list[Effect]:
        """Say that answers stay away, if it is time to. silence: 0 if that is known already, s."""
        return self._missed.look(silence)

    def _paused(self, now: float) -> bool:
        """Return whether no frame has gone out lately; also if the clock was set back."""
        return not 0.0 <= now - self._last_sent <= _PAUSE
