"""The newest global label of every open sample, and the round it came from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_LABELS = 'labels'
_ROUNDS = 'label_rounds'


class LabelMemory:
    """A view of a participant's memory, which its checkpoint keeps."""

    def __init__(self, memory: dict[str, NDArray[Any]]) -> None:
        self._memory = memory

    def remember(
        self, size: int, indices: NDArray[np.int64], symbols: NDArray[Any], round: int
    ) -> None:
        """Keep the symbols of labels (see LabelCodec) that came out of `round`.

        size: samples of the open set.
        """
        if _LABELS not in self._memory:
            self._memory[_LABELS] = np.zeros((size, *symbols.shape[1:]), symbols.dtype)
            self._memory[_ROUNDS] = np.zeros(size, np.int64)
        self._memory[_LABELS][indices] = symbols
        self._memory[_ROUNDS][indices] = round

    def known(self, indices: NDArray[np.int64], since: int) -> NDArray[np.bool_]:
        """Return which of `indices` have a label of round `since` or later."""
        if _ROUNDS not in self._memory:
            return np.zeros(len(indices), bool)
        rounds = self._memory[_ROUNDS][indices]
        known: NDArray[np.bool_] = (rounds > 0) & (rounds >= since)
        return known

    def symbols(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        """Return the symbols kept for `indices`, which must be known."""
        return self._memory[_LABELS][indices]
