"""From many robots' soft labels to one: weighted mean, then sharpening.

SA, ERA: Itahara et al., arXiv 2008.06180, section 4. Enhanced ERA: SCARLET, arXiv 2504.19602.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.float32]


def weighted_mean(labels: list[Labels], weights: NDArray[np.float32]) -> Labels:
    """Return sum_k weights[k, n] labels[k][n, c], adding in the order of the list; [N, C]."""
    total = np.zeros_like(labels[0])
    for robot_labels, robot_weights in zip(labels, weights, strict=True):
        total += robot_weights[:, None] * robot_labels
    return total / total.sum(axis=1, keepdims=True)


def simple(mean: Labels, temperature: float, beta: float) -> Labels:
    """SA: the mean as it is."""
    return mean


def era(mean: Labels, temperature: float, beta: float) -> Labels:
    """ERA: softmax of the averaged PROBABILITIES over the temperature (paper: 0.1).

    It flattens instead of sharpening when classes are many and means low; see Enhanced ERA.
    """
    scaled = mean / np.float32(temperature)
    exponent = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return exponent / exponent.sum(axis=1, keepdims=True)


def enhanced_era(mean: Labels, temperature: float, beta: float) -> Labels:
    """Enhanced ERA: mean^beta, normalised; sharpens for every beta > 1."""
    # Of the largest, so that a high power of small values does not vanish altogether.
    power = (mean / mean.max(axis=1, keepdims=True)) ** np.float32(beta)
    return power / power.sum(axis=1, keepdims=True)


SHARPENING: dict[str, Callable[[Labels, float, float], Labels]] = {
    'sa': simple,
    'era': era,
    'enhanced_era': enhanced_era,
}
