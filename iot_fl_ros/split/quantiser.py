"""Uniform quantisation of features to 1, 2, 4 or 8 bits: q(z) = round((z - low) / step).

step = (high - low) / (2^bits - 1); values out of range become the nearest level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float32]
LEVEL_BITS = (1, 2, 4, 8)
_CANDIDATES = np.linspace(0.05, 1.0, 39, dtype=np.float32)
_MAX_SAMPLE = 1 << 16


@dataclass(frozen=True)
class Affine:
    """The two maps between values and levels, as float32 tensors that broadcast over values."""

    scale: torch.Tensor
    offset: torch.Tensor
    low: torch.Tensor
    step: torch.Tensor
    bits: int

    @classmethod
    def between(cls, low: Floats, high: Floats, bits: int) -> Affine:
        """Return the maps for levels from `low` to `high`."""
        top = np.float32((1 << bits) - 1)
        step = np.maximum(high - low, np.float32(1e-12)) / top
        scale = 1 / step
        # Half a level more, so that cutting off the fraction rounds.
        arrays = (scale, np.float32(0.5) - low * scale, low, step)
        tensors = [torch.from_numpy(np.asarray(a, np.float32)) for a in arrays]
        return cls(tensors[0], tensors[1], tensors[2], tensors[3], bits)

    def quantise(self, z: Floats) -> NDArray[np.uint8]:
        """Return the level of each value, uint8; NaN becomes a level too."""
        # torch for the arithmetic, NumPy for the conversion: each is several times the faster.
        t = torch.addcmul(self.offset, torch.from_numpy(z), self.scale)
        t.clamp_(0, (1 << self.bits) - 1 + 0.5)
        with np.errstate(invalid='ignore'):
            return t.numpy().astype(np.uint8)

    def dequantise(self, levels: NDArray[np.uint8]) -> Floats:
        """Return the value of each level, float32."""
        t = torch.from_numpy(levels.astype(np.float32))
        result: Floats = torch.addcmul(self.low, t, self.step).numpy()
        return result


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
    maps = [Affine.between(lo, hi, bits) for lo, hi in zip(lows, highs, strict=True)]
    errors = [np.mean((m.dequantise(m.quantise(values)) - values) ** 2) for m in maps]
    best = int(np.argmin(errors))
    return lows[best], highs[best]
