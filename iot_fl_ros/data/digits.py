"""The 8x8 digits of scikit-learn: tiny, for machines without any data (needs scikit-learn)."""

from __future__ import annotations

import numpy as np

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.data.samples import Samples


def load(split: str) -> Samples:
    """Return 1,437 training or 360 test images, 1x8x8, labels 0..9."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise DataError('data set digits needs scikit-learn: pip install scikit-learn') from error
    bunch = load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.target))
    chosen = order[:1437] if split == 'train' else order[1437:]
    values = (bunch.images * (255 / 16)).astype(np.uint8)[:, None]
    return Samples(
        values[chosen], bunch.target.astype(np.int64)[chosen], tuple(str(i) for i in range(10))
    )
