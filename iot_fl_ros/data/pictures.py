"""Pictures for split inference: what a model wants to see, and real ones to show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.data.packages import DebianFiles, cache_folder

RESIZES = ('stretch', 'crop', 'letterbox')
_LONGEST_SIDE = 4_096  # px; an ImageInput may come from elsewhere and must not exhaust memory
_LARGEST_NUMBER = 1e6  # of mean and std; neither nan nor infinity passes
_GREY = 128  # what letterbox puts around the picture

_FILES = {
    'vtest.avi': (8_131_690, '45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf'),
    'apple.jpg': (51_705, 'e86879de3d9a807dedc742a8f464f39e6b74bbb531a1fba3583155d94997d1cd'),
    'baboon.jpg': (179_920, '1a1dd18d78eec44420af3b0b7f08ee3d41c982916cae3ce203d7ff35d754cc0f'),
    'butterfly.jpg': (44_746, '34a99716b78ded10eae87b4880de739d3e68cc7dd1a96812bb28f469d5eeaea8'),
    'fruits.jpg': (82_429, '9c031d80a1c52da5eca790db896baffec6a7e52bf786cdb7bbfca5c7f880e6a1'),
    'home.jpg': (32_197, '23b8cf46a1965d0ec33459b875aed43187802834db49e0daa9fa2cc842e9d8d2'),
    'orange.jpg': (50_036, '152c20d2f380ac985de25e474e1a5f06ed34b932191342099b8272a63a15a079'),
    'squirrel_cls.jpg': (
        62_311,
        '20bb6e8ae96918a36c9886b6d48e54eedeb3948591e1485c206bc1dc60c8dc8b',
    ),
}
_SAMPLES = DebianFiles(
    'A sample picture', 'opencv-doc', Path('usr/share/doc/opencv-doc/examples/data'), _FILES
)


@dataclass(frozen=True)
class ImageInput:
    """Recipe from a picture to a model's input; ConfigError if a field makes no sense.

    shape: (channels, height, width), 3 channels are RGB and 1 is grey. resize: `stretch` to the
    shape, `crop` the largest part of its proportions from the middle, or `letterbox`: show all of
    it, with grey bars. mean, std: per channel, for values 0..1.
    """

    shape: tuple[int, int, int]
    resize: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        _check_shape(self.shape)
        if self.resize not in RESIZES:
            raise ConfigError(f'resize is {self.resize!r}: choose one of {", ".join(RESIZES)}')
        _check_numbers('mean', self.mean, self.shape[0])
        _check_numbers('std', self.std, self.shape[0])
        if min(self.std) <= 0:
            raise ConfigError(f'std is {list(self.std)}: numbers above 0 are needed')

    def to_dict(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        return {n: list(v) if isinstance(v, tuple) else v for n, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, content: object) -> ImageInput:
        """Return what `to_dict` wrote; ConfigError names what is wrong with other content."""
        names = [field.name for field in fields(cls)]
        if not isinstance(content, Mapping) or set(content) != set(names):
            raise ConfigError(f'image input is {content!r:.200}: {", ".join(names)} are needed')
        values: Any = {n: tuple(v) if isinstance(v, list) else v for n, v in content.items()}
        return cls(**values)

    def prepare(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the input, contiguous float32 [C, H, W], for an RGB picture uint8 [H, W, 3]."""
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise ConfigError(
                f'the picture is {image.dtype} {list(image.shape)}: RGB as uint8 [H, W, 3] is '
                'needed'
            )
        if self.shape[0] == 1:
            grey: Any = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
            image = grey[:, :, np.newaxis]
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        values = (self._fit(image).astype(np.float32) / np.float32(255) - mean) / std
        return np.ascontiguousarray(values.transpose(2, 0, 1))

    def to_source(
        self, boxes: NDArray[np.float32], width: int, height: int
    ) -> NDArray[np.float32]:
        """Return boxes [n, 4] of x1, y1, x2, y2 as shares 0..1 of the source picture.

        `boxes` are shares of the model's input; width, height: of the source in px. What lies
        outside of the source is cut off.
        """
        x, y, w, h = self._seen(width, height)
        left, top, inner_w, inner_h = self._placed(width, height)
        scale = np.array([self.shape[2] / inner_w, self.shape[1] / inner_h] * 2)
        start = np.array([left / self.shape[2], top / self.shape[1]] * 2)
        inner = (boxes.reshape(-1, 4) - start) * scale
        source = (inner * [w, h, w, h] + [x, y, x, y]) / [width, height, width, height]
        return np.clip(source, 0, 1).astype(np.float32)

    def _fit(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return uint8 [H, W, C] of the model's height and width."""
        height, width, channels = image.shape
        x, y, w, h = self._seen(width, height)
        left, top, inner_w, inner_h = self._placed(width, height)
        # INTER_AREA averages what is made smaller; a net was not trained on aliasing.
        method = cv2.INTER_AREA if inner_w * inner_h < w * h else cv2.INTER_LINEAR
        part = np.ascontiguousarray(image[y : y + h, x : x + w])
        inner = cv2.resize(part, (inner_w, inner_h), interpolation=method)
        fitted = np.full((*self.shape[1:], channels), _GREY, np.uint8)
        fitted[top : top + inner_h, left : left + inner_w] = inner.reshape(inner_h, inner_w, -1)
        return fitted

    def _seen(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Return x, y, width and height, in px, of the part of the source that is shown."""
        if self.resize != 'crop':
            return 0, 0, width, height
        scale = min(width / self.shape[2], height / self.shape[1])
        w, h = max(1, round(self.shape[2] * scale)), max(1, round(self.shape[1] * scale))
        return (width - w) // 2, (height - h) // 2, w, h

    def _placed(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Return x, y, width and height, in px of the input, of where that part is shown."""
        if self.resize != 'letterbox':
            return 0, 0, self.shape[2], self.shape[1]
        scale = min(self.shape[2] / width, self.shape[1] / height)
        w, h = max(1, round(width * scale)), max(1, round(height * scale))
        return (self.shape[2] - w) // 2, (self.shape[1] - h) // 2, w, h


def vtest_video() -> Path:
    """Return vtest.avi: 795 frames, 768x576, 10/s, of pedestrians seen from above.

    From the Debian package opencv-doc; DataError if it is not to be had.
    """
    return _samples_folder() / 'vtest.avi'


def photographs() -> list[Path]:
    """Return seven photographs of things that ImageNet knows: apple, baboon, butterfly, ...

    From the Debian package opencv-doc; DataError if it is not to be had.
    """
    return [_samples_folder() / name for name in _FILES if not name.endswith('.avi')]


def _samples_folder() -> Path:
    return _SAMPLES.obtain(cache_folder('opencv-doc'))


def _check_shape(shape: object) -> None:
    whole = isinstance(shape, tuple) and all(type(n) is int for n in shape)
    if not whole or not isinstance(shape, tuple) or len(shape) != 3 or shape[0] not in (1, 3):
        raise ConfigError(f'shape is {shape!r:.200}: channels (1 or 3), height, width are needed')
    if not all(1 <= side <= _LONGEST_SIDE for side in shape[1:]):
        raise ConfigError(f'shape is {shape!r:.200}: sides of 1..{_LONGEST_SIDE} px are needed')


def _check_numbers(name: str, values: object, count: int) -> None:
    if (
        not isinstance(values, tuple)
        or len(values) != count
        or not all(type(v) in (int, float) and abs(v) <= _LARGEST_NUMBER for v in values)
    ):
        raise ConfigError(f'{name} is {values!r:.200}: {count} numbers are needed')
