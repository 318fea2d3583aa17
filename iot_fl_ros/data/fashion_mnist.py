"""Fashion-MNIST (Xiao et al., arXiv 1708.07747), from the Debian package dataset-fashion-mnist.

It is cached uncompressed, so that the robots of one machine map the same pages.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from iot_fl_ros.data.packages import DebianFiles, cache_folder
from iot_fl_ros.data.samples import Samples

PACKAGE = 'dataset-fashion-mnist'
FOLDER = Path('usr/share/datasets/fashion-mnist')
CLASS_NAMES = (
    'T-shirt/top', 'Trouser', 'Pullover', 'Dress', 'Coat',
    'Sandal', 'Shirt', 'Sneaker', 'Bag', 'Ankle boot',
)  # fmt: skip
FILES = {  # name without .gz: (size in bytes, SHA-256), both of the uncompressed content
    'train-images-idx3-ubyte': (
        47_040_016,
        'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
    ),
    'train-labels-idx1-ubyte': (
        60_008,
        'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
    ),
    't10k-images-idx3-ubyte': (
        7_840_016,
        '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
    ),
    't10k-labels-idx1-ubyte': (
        10_008,
        '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34',
    ),
}


def load(split: str) -> Samples:
    """Return 60,000 training or 10,000 test images, uint8 [N, 1, 28, 28], ten classes."""
    prefix = 'train' if split == 'train' else 't10k'
    cache = obtain()
    images = np.memmap(cache / f'{prefix}-images-idx3-ubyte', np.uint8, 'r', offset=16)
    labels = np.fromfile(cache / f'{prefix}-labels-idx1-ubyte', np.uint8, offset=8)
    return Samples(images.reshape(-1, 1, 28, 28), labels.astype(np.int64), CLASS_NAMES)


def obtain() -> Path:
    """Make sure that the files are in the cache and return its folder; DataError if they cannot.

    The cache is `$XDG_CACHE_HOME/iot_fl_ros/fashion-mnist` (default `~/.cache`).
    """
    return source().obtain(cache_folder('fashion-mnist'))


def source() -> DebianFiles:
    """Return where the files come from."""
    return DebianFiles('Fashion-MNIST', PACKAGE, FOLDER, FILES)
