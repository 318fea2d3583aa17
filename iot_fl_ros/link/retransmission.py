"""The cost of retransmission: packets that are sent until they arrive, or a few times."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


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
