"""From many robots' soft labels to one: weights by familiarity, weighted mean, then sharpening.

SA, ERA: Itahara et al., arXiv 2008.06180, section 4. Enhanced ERA: SCARLET, arXiv 2504.19602.

Familiarity: how far a sample is from a robot's own data, so that it need not guess. A robot's
distance to a sample is that to the nearest of the k-means centroids of its private data, divided
by the median of that distance over its private data: near 1 = like its own, larger = unfamiliar.
Distances are between the samples themselves, or between what the robot's model makes of them (the
inputs of its last layer). Labels are then averaged with weights softmax(-sharpness * distance)
over robots. One byte a sample goes on the wire. What it gives away is said in docs/methods.md.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.float32]
MAX_DISTANCE = 4.0
CENTROIDS = 20
_ITERATIONS = 20


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


def distances(
    own: NDArray[np.float32], others: NDArray[np.float32], seed: int
) -> NDArray[np.float32]:
    """Return the relative distance of each of `others` [N, D] to `own` [M, D], float32 [N]."""
    # Imported here: it takes a second, and other weightings do without.
    from scipy.cluster.vq import kmeans2

    with warnings.catch_warnings():
        warnings.simplefilter('ignore', UserWarning)  # an empty cluster costs nothing here
        centroids, _ = kmeans2(
            own, min(CENTROIDS, len(own)), iter=_ITERATIONS, minit='++', seed=seed % 2**32
        )
    scale = float(np.median(_nearest(own, centroids)))
    return _nearest(others, centroids) / np.float32(max(scale, 1e-6))


def encode_distances(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return distances 0..4 as bytes; farther is 255."""
    known = np.nan_to_num(values, nan=MAX_DISTANCE)
    return np.rint(np.clip(known / MAX_DISTANCE, 0, 1) * 255).astype(np.uint8)


def weights(encoded: list[NDArray[np.uint8]], sharpness: float) -> NDArray[np.float32]:
    """Return softmax over robots of -sharpness * distance, float32 [robots, N]."""
    scaled = np.stack(encoded).astype(np.float32) * np.float32(-sharpness * MAX_DISTANCE / 255)
    exponent = np.exp(scaled - scaled.max(axis=0))
    return exponent / exponent.sum(axis=0)


def _nearest(values: NDArray[np.float32], centroids: NDArray[np.float32]) -> NDArray[np.float32]:
    squares = (values**2).sum(1)[:, None] - 2 * values @ centroids.T + (centroids**2).sum(1)
    return np.sqrt(np.maximum(squares, 0)).min(axis=1).astype(np.float32)
