"""Sequences of a real robot camera from the Debian package visp-images-data (GPL-2)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.data.debian import DebianFiles
from iot_fl_ros.data.packages import cache_folder

_PACKAGE = 'visp-images-data'
_IMAGES = Path('usr/share/visp-images-data/ViSP-images')


@dataclass(frozen=True)
class _Sequence:
    """Pictures `pattern` % number, number from `first`, each of `size` bytes.

    digest: SHA-256 of the SHA-256 of all files, in order.
    """

    folder: str
    pattern: str
    first: int
    count: int
    size: int
    digest: str

    @property
    def names(self) -> list[str]:
        return [self.pattern % n for n in range(self.first, self.first + self.count)]


# cube: 640x480 grey, a camera on an arm around a cube. mire: 384x288 grey, towards four dots.
_SEQUENCES = {
    'visp-cube': _Sequence(
        'mbt/cube',
        'image%04d.pgm',
        0,
        218,
        307_215,
        '419258073d31348e3fb17c34e03b31915d51761e2111d3741048a4e97b26b45f',
    ),
    'visp-mire': _Sequence(
        'mire-2',
        'image.%04d.pgm',
        1,
        501,
        110_607,
        'ca4c059a14aab66c01514adf761e4c10dd91543853cda5efff5ed59c3a3dc769',
    ),
}
VISP_SEQUENCES = tuple(_SEQUENCES)


def visp_pictures(name: str) -> list[Path]:
    """Return the pictures of a sequence, in order; DataError if they are not to be had."""
    sequence = _SEQUENCES[name]
    cache = cache_folder(_PACKAGE) / sequence.folder
    paths = [cache / one for one in sequence.names]
    if not all(path.is_file() and path.stat().st_size == sequence.size for path in paths):
        _fetch(sequence, cache)
    return paths


def _fetch(sequence: _Sequence, cache: Path) -> None:
    """Copy the sequence into the cache and compare its digest."""
    unchecked = dict.fromkeys(sequence.names, (sequence.size, ''))
    files = DebianFiles('A camera sequence', _PACKAGE, _IMAGES / sequence.folder, unchecked)
    files.obtain(cache)
    digest = hashlib.sha256()
    for name in sequence.names:
        digest.update(hashlib.sha256((cache / name).read_bytes()).digest())
    if digest.hexdigest() != sequence.digest:
        for name in sequence.names:
            (cache / name).unlink()
        raise DataError(
            f'the pictures of {_PACKAGE} in {sequence.folder} are not those of 3.5.0: '
            'install that version of the package'
        )
