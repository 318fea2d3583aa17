"""What asking again costs: packets that are sent until they arrive, or a few times."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def expected_transmissions(loss: float, retries: int | None = None) -> float:
    """Return how often a packet is sent on average: (1 - p^(R+1)) / (1 - p); None: no limit."""
    if loss == 0:
        return 1.0
    if loss >= 1:
        return float('inf') if retries is None else retries + 1.0
    residual = 0.0 if retries is None else loss ** (retries + 1)
    return (1 - residual) / (1 - loss)


def residual_loss(loss: float, retries: int) -> float:
    """Return the share of packets that are still lost after `retries` repetitions: p^(R+1)."""
    return float(loss ** (retries + 1))


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
