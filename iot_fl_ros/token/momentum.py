"""Momentum on the wire: linear quantisation to 8 bits.

arXiv 2610.07859: s = (2^b - 1) / (q - p), z = -round(p s) - 2^(b-1),
v_q = clip(round(s v + z)), v^ = (v_q - z) / s, where [p, q] is the range of v. Values are kept
shifted by 2^(b-1), as uint8.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LEVELS = 255


def quantise(values: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return values [T] as uint8 [T], and their range [p, q] as float32 [2]."""
    if not len(values):
        return np.zeros(0, np.uint8), np.zeros(2, np.float32)
    low, high = float(values.min()), float(values.max())
    if high <= low:  # the first hop: all zero
        return np.zeros(len(values), np.uint8), np.array([low, low], np.float32)
    scale = _LEVELS / (high - low)
    zero = round(low * scale)
    levels = np.clip(np.rint(values.astype(np.float64) * scale) - zero, 0, _LEVELS)
    return levels.astype(np.uint8), np.array([low, high], np.float32)


def dequantise(levels: NDArray[np.uint8], span: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the values [T], float32, that `quantise` made levels and range of."""
    low, high = float(span[0]), float(span[1])
    if high <= low:
        return np.full(len(levels), low, np.float32)
    scale = _LEVELS / (high - low)
    zero = round(low * scale)
    return ((levels.astype(np.float64) + zero) / scale).astype(np.float32)
