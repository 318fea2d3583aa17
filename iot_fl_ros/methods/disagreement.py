"""Disagreement among the predictions of several models."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def disagreement(
    predictions: Sequence[NDArray[np.float32]], masks: NDArray[np.bool_] | None = None
) -> float:
    """Return the mean over samples of (1/n) sum_i |p_i - mean|^2, n = who predicts the sample.

    predictions: probabilities [N, C] of each; masks [n, N]: which samples each predicts, None =
    all. NaN if no sample has two predictions.
    """
    stacked = np.stack(predictions).astype(np.float64)
    there = np.ones(stacked.shape[:2]) if masks is None else masks.astype(np.float64)
    count = there.sum(axis=0)
    several = count >= 2
    if not several.any():
        return math.nan
    stacked, there, count = stacked[:, several], there[:, several], count[several]
    mean = (there[:, :, None] * stacked).sum(axis=0) / count[:, None]
    squares = ((stacked - mean) ** 2).sum(axis=2)
    return float(((there * squares).sum(axis=0) / count).mean())
