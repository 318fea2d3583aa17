"""Samples from the user's own files: a folder of images, an .npz archive."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.data.samples import Samples

_SUFFIXES = {'.png', '.jpg', '.jpeg', '.bmp', '.gif', '.tif', '.tiff', '.webp', '.pgm', '.ppm'}


def load_folder(folder: Path, like: tuple[int, ...] | None = None) -> Samples:
    """Load images: one sub-folder per class, or images without labels directly in `folder`.

    like: (channels, height, width) to convert to; default: what the first image has.
    """
    classes = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith('.'))
    images: list[np.ndarray] = []
    labels: list[int] = []
    for label, place in enumerate([folder / name for name in classes] or [folder]):
        for path in sorted(p for p in place.iterdir() if p.suffix.lower() in _SUFFIXES):
            image = _read_image(path, like)
            like = like or image.shape
            images.append(image)
            labels.append(label)
    if not images:
        raise DataError(f'{folder} holds no images: put them in one sub-folder per class')
    return Samples(
        np.stack(images), np.array(labels, np.int64) if classes else None, tuple(classes)
    )


def load_npz(path: Path, split: str) -> Samples:
    """Load an .npz with arrays x (or x_train, x_test), y likewise (optional) and class_names.

    x: [N, H, W], [N, H, W, C] with C of 1 or 3, or [N, C, H, W]; uint8 or floating.
    """
    if not path.is_file():
        raise DataError(f'{path} does not exist: give the path of an .npz file')
    with np.load(path, allow_pickle=False) as archive:
        x_name = f'x_{split}' if f'x_{split}' in archive else 'x'
        y_name = f'y_{split}' if f'y_{split}' in archive else 'y'
        if x_name not in archive:
            raise DataError(f'{path} has {archive.files}: an array x or x_{split} is needed')
        values = _channels_first(archive[x_name])
        labels = archive[y_name].astype(np.int64).reshape(-1) if y_name in archive else None
        if 'class_names' in archive:
            names = tuple(str(name) for name in archive['class_names'])
        else:
            names = () if labels is None else tuple(str(i) for i in range(int(labels.max()) + 1))
    return Samples(values, labels, names)


def _read_image(path: Path, like: tuple[int, ...] | None) -> np.ndarray:
    try:
        image: Image.Image = Image.open(path)
        image.load()
    except (OSError, UnidentifiedImageError) as error:
        raise DataError(f'{path} is no readable image ({error}): repair or remove it') from error
    if like is None:
        mode = 'L' if image.mode in ('1', 'L', 'I', 'I;16') else 'RGB'
    else:
        mode = 'L' if like[0] == 1 else 'RGB'
        if image.size != (like[2], like[1]):
            image = image.resize((like[2], like[1]))
    return _channels_first(np.asarray(image.convert(mode), np.uint8)[None])[0]


def _channels_first(values: np.ndarray) -> np.ndarray:
    if values.dtype != np.uint8:
        values = values.astype(np.float32)
    if values.ndim == 3:
        return np.ascontiguousarray(values[:, None])
    if values.ndim == 4 and values.shape[-1] in (1, 3) and values.shape[1] not in (1, 3):
        return np.ascontiguousarray(values.transpose(0, 3, 1, 2))
    return np.ascontiguousarray(values)
