"""Soft labels on the wire: float32, float16 or 8 bits a probability."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.errors import MessageError

LABEL_DTYPES = ('float32', 'float16', 'uint8')
_SUM_TOLERANCE = 0.01


def encode_labels(probabilities: NDArray[np.float32], dtype: str) -> NDArray[Any]:
    """Return probabilities [N, C] as `dtype`; uint8 is round(255 p)."""
    if dtype == 'uint8':
        return np.rint(probabilities * 255).astype(np.uint8)
    return probabilities.astype(dtype)


def decode_labels(encoded: NDArray[Any]) -> NDArray[np.float32]:
    """Return float32 probabilities [N, C] whose rows sum to 1."""
    values = encoded.astype(np.float32)
    return values / values.sum(axis=1, keepdims=True)


def check_labels(encoded: NDArray[Any]) -> None:
    """Raise MessageError unless every row can be an encoded distribution."""
    values = encoded.astype(np.float32)
    if encoded.dtype == np.uint8:
        # Each of the C entries is rounded by at most one half.
        values, slack = values / np.float32(255), encoded.shape[1] / 510
    else:
        slack = _SUM_TOLERANCE
    if not np.isfinite(values).all() or (values < 0).any():
        raise MessageError('not finite', 'labels hold NaN, infinity or negative values')
    sums = values.sum(axis=1)
    if (np.abs(sums - 1) > slack + _SUM_TOLERANCE).any() or (sums <= 0).any():
        raise MessageError('no distribution', 'rows of labels do not sum to 1')
