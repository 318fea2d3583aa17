"""Open samples that a robot, or the aggregator, leaves out: their labels would be guesses.

Robots: density ratio (Selective-FD, Nature Communications 2024; estimator KuLSIF: Kanamori,
Suzuki, Sugiyama, 2012) or largest probability (IDKD, arXiv 2304.04326). Aggregator: ambiguity
(Selective-FD). A selection travels as one bit a sample.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.seeds import generator
from iot_fl_ros.core.tensors import TensorSpec

SELECTIONS = ('none', 'density_ratio', 'confidence')
_MOST_SAMPLES = 500  # of each kind, for the density ratio: its cost grows with their cube

Mask = NDArray[np.bool_]
Matrix = NDArray[np.float32]


def mask_spec(samples: int) -> TensorSpec:
    """Return the spec of a selection among `samples`."""
    return TensorSpec('selected', 'uint8', (-(-samples // 8),))


def pack_mask(mask: Mask) -> NDArray[np.uint8]:
    """Return a selection as bits."""
    return np.packbits(mask)


def unpack_mask(bits: NDArray[np.uint8], samples: int) -> Mask:
    """Return the selection among `samples` that `bits` hold."""
    return np.unpackbits(bits)[:samples].astype(bool)


def by_density_ratio(own: Matrix, others: Matrix, quantile: float, seed: int) -> Mask:
    """Select the rows of `others` that are as likely among `own` as all but few own rows are.

    own [N, D], others [M, D]; quantile: share of own rows that may be less likely.
    """
    rng = generator(seed, 'density ratio')
    own_part, other_part = _some(own, rng), _some(others, rng)
    width = float(np.median(np.sqrt(_squares(own_part, other_part))))
    ratio = _kulsif(own_part, other_part, max(width, 1e-6))
    selected: Mask = ratio(others) >= np.quantile(ratio(own), quantile)
    return selected


def by_confidence(own: Matrix, others: Matrix) -> Mask:
    """Select the samples of which the model is as certain as of the robot's own.

    own, others: probabilities [N, C], [M, C]. The threshold on the largest probability is the one
    that best tells own from other samples (largest difference of the two shares above it).
    """
    own_top, other_top = own.max(axis=1), others.max(axis=1)
    thresholds = np.unique(np.concatenate([own_top, other_top]))
    own_above = 1 - np.searchsorted(np.sort(own_top), thresholds) / len(own_top)
    other_above = 1 - np.searchsorted(np.sort(other_top), thresholds) / len(other_top)
    selected: Mask = other_top >= thresholds[np.argmax(own_above - other_above)]
    return selected


def unambiguous(mean: Matrix, limit: float) -> Mask:
    """Select averaged labels [N, C] whose L1 distance to their own argmax is at most `limit`.

    The distance is 0 (all agree) to 2.
    """
    selected: Mask = 2 * (1 - mean.max(axis=1)) <= limit
    return selected


def _kulsif(own: Matrix, others: Matrix, width: float) -> Callable[[Matrix], Matrix]:
    """Return the estimate of p_own(x) / p_others(x) as a function of rows [K, D].

    Closed form of KuLSIF with a Gaussian kernel and lambda = min(N, M)^-1/2.
    """
    strength = min(len(own), len(others)) ** -0.5
    n, m = len(own), len(others)
    inside = _kernel(others, others, width) / m + strength * np.eye(m, dtype=np.float32)
    weights = np.linalg.solve(inside, _kernel(others, own, width).sum(axis=1)) / (n * m * strength)

    def ratio(rows: Matrix) -> Matrix:
        near_own = _kernel(rows, own, width).mean(axis=1) / strength
        values: Matrix = near_own - _kernel(rows, others, width) @ weights
        return values

    return ratio


def _kernel(a: Matrix, b: Matrix, width: float) -> Matrix:
    return np.exp(_squares(a, b) / np.float32(-2 * width**2))


def _squares(a: Matrix, b: Matrix) -> Matrix:
    return np.maximum((a**2).sum(1)[:, None] - 2 * a @ b.T + (b**2).sum(1), 0)


def _some(rows: Matrix, rng: np.random.Generator) -> Matrix:
    if len(rows) <= _MOST_SAMPLES:
        return rows
    return rows[np.sort(rng.choice(len(rows), _MOST_SAMPLES, replace=False))]
