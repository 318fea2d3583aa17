"""Familiarity: how far a sample is from a robot's own data, so that it need not guess.

A robot's distance to a sample is that to the nearest of the k-means centroids of its private data,
divided by the median of that distance over its private data: near 1 = like its own, larger =
unfamiliar. Distances are between the samples themselves, or between what the robot's model makes
of them (the inputs of its last layer). Labels are then averaged with weights
softmax(-sharpness * distance) over robots. One byte a sample goes on the wire. What it gives away
is said in docs/methods.md.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

MAX_DISTANCE = 4.0
CENTROIDS = 20
_ITERATIONS = 20


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
