"""Loss processes: which of the next packets of a link arrive, and the cost of retransmission.

Called with a number of packets, a process returns whether they arrive, bool [count], and goes on
where the call before ended.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.errors import ConfigError

Arrivals = NDArray[np.bool_]
LossProcess = Callable[[int], Arrivals]


class IidLoss:
    """Every packet is lost with probability `loss`, whatever happened to the others."""

    def __init__(self, loss: float, rng: np.random.Generator) -> None:
        self._loss = loss
        self._rng = rng

    def __call__(self, count: int) -> Arrivals:
        """Return whether the next packets arrive."""
        return self._rng.random(count) >= self._loss


class GilbertElliottLoss:
    """Losses in bursts (Gilbert 1960, Elliott 1963): a link is good, or bad for a while.

    loss: share of packets lost in the long run; burst: mean length of a bad period, packets;
    loss_when_bad: share of packets lost in bad periods (Gilbert's model: 1; nothing is lost in
    good ones). P(bad -> good) = 1/burst, P(good -> bad) = bad / (burst (1 - bad)) with the share
    of bad periods bad = loss / loss_when_bad.
    """

    def __init__(
        self, loss: float, burst: float, rng: np.random.Generator, loss_when_bad: float = 1.0
    ) -> None:
        bad = loss / loss_when_bad
        if burst < 1 or bad > burst / (burst + 1):
            largest = loss_when_bad * max(burst, 1) / (max(burst, 1) + 1)
            raise ConfigError(
                f'loss {loss} in bursts of {burst} packets is impossible: bursts have at least '
                f'one packet, the loss is at most {largest:.3f}'
            )
        self._loss_when_bad = loss_when_bad
        self._rng = rng
        leave_good = min(1.0, bad / (burst * (1 - bad)))  # rounding can exceed 1
        self._leave = (leave_good, 1 / burst)  # by state: 0 good, 1 bad
        self._state = int(rng.random() < bad)

    def __call__(self, count: int) -> Arrivals:
        """Return whether the next packets arrive."""
        if self._leave[0] == 0 or not count:
            return np.ones(count, bool)
        bad = self._states(count)
        if self._loss_when_bad < 1:
            bad &= self._rng.random(count) < self._loss_when_bad
        return ~bad

    def _states(self, count: int) -> NDArray[np.bool_]:
        """Return whether the link is bad at each of the next packets; sojourns are geometric."""
        # Half as many pairs again as expected; a shortfall is made up by another turn.
        pairs = int(1.5 * count / (1 / self._leave[0] + 1 / self._leave[1])) + 8
        parts: list[NDArray[np.bool_]] = []
        missing = count
        while missing > 0:
            first, second = self._state, 1 - self._state
            lengths = np.empty(2 * pairs, np.int64)
            lengths[0::2] = self._rng.geometric(self._leave[first], pairs)
            lengths[1::2] = self._rng.geometric(self._leave[second], pairs)
            # The state is that of the packet before: it is left after the first draw minus one.
            lengths[0] -= 1
            states = np.tile(np.array([first, second], bool), pairs)
            part = np.repeat(states, np.minimum(lengths, count))[:missing]
            parts.append(part)
            missing -= len(part)
            self._state = int(part[-1])
        return np.concatenate(parts)


class TraceLoss:
    """Replays a recorded link, again from its beginning when it ends.

    arrived: bool or 0/1 array [packets], true where a packet arrived; start: first one to use.
    """

    def __init__(self, arrived: NDArray, start: int = 0) -> None:
        if arrived.ndim != 1 or not len(arrived):
            raise ConfigError(f'a loss trace is a list of 0 and 1, not of shape {arrived.shape}')
        self._arrived = arrived.astype(bool)
        self._next = start % len(arrived)

    def __call__(self, count: int) -> Arrivals:
        """Return whether the next packets arrive."""
        index = (self._next + np.arange(count)) % len(self._arrived)
        self._next = (self._next + count) % len(self._arrived)
        return self._arrived[index]


def read_trace(path: Path) -> Arrivals:
    """Read a trace: a text file with 1 for each packet that arrived and 0 for each lost one."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f'cannot read the loss trace {path}: {error}') from error
    flags = ''.join(text.split())
    if not flags or set(flags) - {'0', '1'}:
        raise ConfigError(f'{path} is not a loss trace: only 0 (lost) and 1 (arrived) are allowed')
    return np.frombuffer(flags.encode(), np.uint8) == ord('1')


def delivery_rounds(
    loss: float, packets: int, messages: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return in which attempt the last packet of each message arrives, int64 [messages].

    Each packet is repeated until it arrives; losses are independent. A receiver that asks every T
    seconds for what is missing has the message after (attempts - 1) T plus the time on air. With
    loss 1: never, which is a number larger than any other here.
    """
    if loss >= 1:
        return np.full(messages, np.iinfo(np.int64).max)
    attempts: NDArray[np.int64] = rng.geometric(1 - loss, (messages, packets)).max(axis=1)
    return attempts
