"""Pictures one after the other, from a video, a webcam, a folder or a data set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.data.pictures import vtest_video
from iot_fl_ros.data.registry import DATA_SETS, load_samples
from iot_fl_ros.data.visp import VISP_SEQUENCES, visp_pictures

_PICTURES = {'.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp', '.ppm', '.pgm'}
SOURCES = (
    'vtest (a video of pedestrians), visp-cube or visp-mire (sequences of a robot camera), '
    'path of a video, of a picture or of a folder of pictures, '
    'index of a webcam, or name of a registered data set (its test images)'
)


@dataclass(frozen=True, slots=True)
class Picture:
    """rgb: uint8 [height, width, 3]; label: index of its class, -1 = not known."""

    rgb: NDArray[np.uint8]
    label: int = -1


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
        yield Picture(np.ascontiguousarray(rgb), int(label))


def _rgb(bgr: NDArray) -> NDArray[np.uint8]:
    rgb: NDArray[np.uint8] = np.ascontiguousarray(bgr[..., ::-1], np.uint8)
    return rgb
