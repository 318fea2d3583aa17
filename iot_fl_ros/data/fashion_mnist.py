"""Fashion-MNIST (Xiao et al., arXiv 1708.07747), from the Debian package dataset-fashion-mnist.

The files are looked for in the user's cache, then on the system, then fetched with apt-get
(no root needed). They are checked against the SHA-256 of their content and cached uncompressed,
so that the robots of one machine map the same pages.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import tempfile
import zlib
from pathlib import Path

import numpy as np

from iot_fl_ros.core.errors import DataError
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
    cache = _cache_folder()
    if all(_has_size(cache / name, size) for name, (size, _) in FILES.items()):
        return cache
    system = Path('/') / FOLDER
    if system.is_dir():
        _fill(cache, system)
        return cache
    cache.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache.parent) as work:
        _fill(cache, _fetch_with_apt(Path(work)))
    return cache


def _cache_folder() -> Path:
    base = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(base) / 'iot_fl_ros' / 'fashion-mnist'


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _fill(cache: Path, source: Path) -> None:
    """Unpack the files into the cache; a file under its final name is whole and right."""
    cache.mkdir(parents=True, exist_ok=True)
    for name, (_, digest) in FILES.items():
        path = source / f'{name}.gz'
        try:
            content = gzip.decompress(path.read_bytes())
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(_by_hand(f'{path} cannot be read ({error})')) from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise DataError(_by_hand(f'{path} does not have the right SHA-256'))
        with tempfile.NamedTemporaryFile(dir=cache, delete=False) as file:
            file.write(content)
        os.chmod(file.name, 0o644)
        os.replace(file.name, cache / name)


def _fetch_with_apt(work: Path) -> Path:
    """Download and unpack the package in `work`; with a package list of its own if need be."""
    if not shutil.which('apt-get') or not shutil.which('dpkg-deb'):
        raise DataError(_by_hand('this machine has no apt-get'))
    private = [f'-oDir::State::lists={work}/lists', f'-oDir::Cache={work}/cache']
    (work / 'lists/partial').mkdir(parents=True)
    (work / 'cache/archives/partial').mkdir(parents=True)
    attempts = ([['download', PACKAGE]], [[*private, 'update'], [*private, 'download', PACKAGE]])
    error = ''
    for commands in attempts:
        runs = [
            subprocess.run(['apt-get', '-q', *arguments], cwd=work, capture_output=True, text=True)
            for arguments in commands
        ]
        packages = list(work.glob(f'{PACKAGE}_*.deb'))
        if runs[-1].returncode == 0 and packages:
            subprocess.run(['dpkg-deb', '-x', packages[0], work / 'x'], check=True)
            return work / 'x' / FOLDER
        error = (runs[-1].stderr.strip().splitlines() or ['no answer'])[-1]
    raise DataError(_by_hand(f'apt-get could not download it ({error})'))


def _by_hand(why: str) -> str:
    return (
        f'Fashion-MNIST is not here and {why}. Install the Debian/Ubuntu package {PACKAGE}, or '
        f'place {", ".join(FILES)} (gunzipped) in {_cache_folder()}'
    )
