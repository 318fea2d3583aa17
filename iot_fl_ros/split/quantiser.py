"""Uniform quantisation of features to 1, 2, 4 or 8 bits: q(z) = round((z - low) / step).

step = (high - low) / (2^bits - 1); values out of range become the nearest level.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
LEVEL_BITS = (1, 2, 4, 8)
_CANDIDATES = np.linspace(0.05, 1.0, 39, dtype=np.float32)
_MAX_SAMPLE = 1 << 16


class Affine:
    """The two maps between values and levels; low and high broadcast over values [..., n]."""

    def __init__(self, low: Floats, high: Floats, bits: int) -> None:
        self._top = (1 << bits) - 1
        self._low = np.asarray(low, np.float32)
        step = np.maximum(high - low, np.float32(1e-12)) / np.float32(self._top)
        self._step = np.asarray(step, np.float32)
        self._scale = 1 / self._step
        # Behind a ReLU nothing has to be shifted.
        self._shifted = bool(self._low.any())

    def quantise(self, z: Floats) -> NDArray[np.uint8]:
        """Return the level of each value, uint8; the lowest one for NaN.

        Values more than 2^31 levels above the range, infinity among them, become the lowest one
        too: nobody's features are there, and a check costs more than the rest.
        """
        scale = self._scale
        if scale.shape != z.shape:
            scale = np.ascontiguousarray(np.broadcast_to(scale, z.shape))
        z = z - self._low if self._shifted else np.ascontiguousarray(z)
        # OpenCV multiplies, rounds and saturates in one pass; NumPy needs four. In two dimensions,
        # since OpenCV takes a few numbers in one dimension for a scalar.
        levels: Any = cv2.multiply(
            z.reshape(-1, z.shape[-1]), scale.reshape(-1, z.shape[-1]), dtype=cv2.CV_8U
        )
        if self._top < 255:
            levels = cv2.threshold(levels, self._top, self._top, cv2.THRESH_TRUNC)[1]
        return np.asarray(levels.reshape(z.shape))

    def dequantise(self, levels: NDArray[np.uint8]) -> Floats:
        """Return the value of each level, float32."""
        z = levels.astype(np.float32)
        z *= self._step
        if self._shifted:
            z += self._low
        return z


def best_range(values: Floats, bits: int) -> tuple[np.float32, np.float32]:
    """Return (low, high) with the least mean squared error of quantised `values` [n].

    Searched on a grid: both ends of the values' range, moved towards their median together. Where
    nothing lies below zero (ReLU), low is zero and stays it.
    """
    values = values[:: -(-len(values) // _MAX_SAMPLE)]
    smallest, largest = np.float32(values.min()), np.float32(values.max())
    if smallest == largest:
        return smallest, smallest + np.float32(1e-6)
    centre = smallest if smallest == 0 else np.float32(np.median(values))
    lows = centre + (smallest - centre) * _CANDIDATES
    highs = centre + (largest - centre) * _CANDIDATES
    maps = [Affine(lo, hi, bits) for lo, hi in zip(lows, highs, strict=True)]
    errors = [np.mean((m.dequantise(m.quantise(values)) - values) ** 2) for m in maps]
    best = int(np.argmin(errors))
    return lows[best], highs[best]
