"""Pictures one after the other, from a video, a webcam, a folder or a data set.

Sequences of a real robot camera come from the Debian package visp-images-data (GPL-2).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.errors import ConfigError, DataError
from iot_fl_ros.data.packages import DebianFiles, cache_folder
from iot_fl_ros.data.pictures import vtest_video
from iot_fl_ros.data.registry import DATA_SETS, load_samples

_PACKAGE = 'visp-images-data'
_IMAGES = Path('usr/share/visp-images-data/ViSP-images')
_PICTURES = {'.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp', '.ppm', '.pgm'}
SOURCES = (
    'vtest (a video of pedestrians), visp-cube or visp-mire (sequences of a robot camera), '
    'path of a video, of a picture or of a folder of pictures, '
    'index of a webcam, or name of a registered data set (its test images)'
)


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
    if all(path.is_file() and path.stat().st_size == sequence.size for path in paths):
        return paths
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
    return paths


@dataclass(frozen=True, slots=True)
class Picture:
    """rgb: uint8 [height, width, 3]; label, kind: index and name of its class, -1 = not known."""

    rgb: NDArray[np.uint8]
    label: int = -1
    kind: str = ''


def open_stream(source: str) -> Iterator[Picture]:
    """Return the pictures of `source` (see SOURCES); ConfigError if there is nothing to read."""
    if source == 'vtest':
        return _video(str(vtest_video()))
    if source in VISP_SEQUENCES:
        return _files(visp_pictures(source), source)
    if source.isdigit():
        return _video(int(source))
    path = Path(source).expanduser()
    if path.is_dir():
        return _files(sorted(p for p in path.iterdir() if p.suffix.lower() in _PICTURES), source)
    if path.is_file() and path.suffix.lower() in _PICTURES:
        return _files([path], source)
    if path.is_file():
        return _video(str(path))
    if source in DATA_SETS.names():
        return _data_set(source)
    raise ConfigError(f'source is {source!r}: {SOURCES} is needed')


def _video(source: str | int) -> Iterator[Picture]:
    capture = cv2.VideoCapture(source)
    if not capture.isOpened():
        raise ConfigError(f'OpenCV cannot open {source!r} as a video or webcam')

    def frames() -> Iterator[Picture]:
        try:
            while True:
                there, bgr = capture.read()
                if not there:
                    return
                yield Picture(_rgb(bgr))
        finally:
            capture.release()

    return frames()


def _files(paths: list[Path], source: str) -> Iterator[Picture]:
    paths = [path for path in paths if cv2.haveImageReader(str(path))]
    if not paths:
        raise ConfigError(
            f'{source} holds no pictures that OpenCV can read ({", ".join(sorted(_PICTURES))})'
        )

    def pictures() -> Iterator[Picture]:
        for path in paths:
            bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if bgr is not None:  # OpenCV has said why not
                yield Picture(_rgb(bgr))

    return pictures()


def _data_set(name: str) -> Iterator[Picture]:
    samples = load_samples(name, 'test')
    if samples.values.ndim != 4 or samples.values.dtype != np.uint8:
        raise ConfigError(f'{name!r} holds no pictures')
    labels = samples.labels if samples.labels is not None else np.full(len(samples), -1)
    for values, label in zip(samples.values, labels, strict=True):
        rgb = np.broadcast_to(values.transpose(1, 2, 0), (*values.shape[1:], 3))
        kind = samples.class_names[label] if 0 <= label < len(samples.class_names) else ''
        yield Picture(np.ascontiguousarray(rgb), int(label), kind)


def _rgb(bgr: NDArray) -> NDArray[np.uint8]:
    rgb: NDArray[np.uint8] = np.ascontiguousarray(bgr[..., ::-1], np.uint8)
    return rgb
