"""Samples from the user's own files: a folder of images, an .npz archive.

What cannot be used as it is is refused, or said: nothing is bent in silence.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from iot_fl_ros.core.errors import DataError, one_line
from iot_fl_ros.data.samples import Samples

_SUFFIXES = {'.png', '.jpg', '.jpeg', '.bmp', '.gif', '.tif', '.tiff', '.webp', '.pgm', '.ppm'}
# What file managers and archives leave in folders.
_NO_CLASSES = {'__MACOSX', '@eaDir', '__pycache__'}
_GREY_MODES = {'1', 'L', 'LA', 'I', 'I;16', 'I;16B', 'I;16L', 'I;16N', 'F'}
_LARGEST = 1_024  # pixels; the memory of a robot is full long before
_MOST_CLASSES = 1 << 16
_NAMED = 3  # files that a warning names
_LOG = logging.getLogger('iot_fl_ros.data')


def load_folder(folder: Path, like: tuple[int, ...] | None = None, side: int = 0) -> Samples:
    """Load images: one sub-folder per class, or images without labels directly in `folder`.

    Images of a class may lie in folders of its own. like: (channels, height, width) to convert to;
    default: squares of `side` pixels, 0 = the size of the first image; grey if all are. 16-bit
    images keep their upper 8 bits, floats are 0..1. Images that cannot be read are left out, and
    that is logged.
    """
    classes = sorted(p.name for p in folder.iterdir() if p.is_dir() and _is_class(p))
    loose = [path for path in sorted(folder.iterdir()) if _is_image(path, folder)]
    if classes and loose:
        raise DataError(
            f'{folder} has images beside the folders of its classes, for example {loose[0].name}: '
            'move them into one'
        )
    files = [
        (label, path)
        for label, place in enumerate([folder / name for name in classes] or [folder])
        for path in (_images_below(place) if classes else loose)
    ]
    if not files:
        raise DataError(f'{folder} holds no images: put them in one sub-folder per class')
    channels = like[0] if like else (1 if all(_is_grey(path) for _, path in files) else 3)
    size = (like[2], like[1]) if like else (side, side) if side else None
    images: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    unreadable: list[tuple[Path, Exception]] = []
    for label, path in files:
        try:
            image = _read_image(path, channels, size)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            unreadable.append((path, error))
            continue
        size = size or _size_of_first(path, image)
        images.append(image)
        labels.append(label)
    if unreadable:
        _tell_unreadable(folder, unreadable, len(files))
    return Samples(
        np.stack(images), np.array(labels, np.int64) if classes else None, tuple(classes)
    )


def _size_of_first(path: Path, image: NDArray[np.uint8]) -> tuple[int, int]:
    """Return the size that all images get; DataError for one with which nothing can be trained."""
    height, width = image.shape[1:]
    if max(height, width) > _LARGEST:
        raise DataError(
            f'{path} has {width} x {height} pixels: set data.picture_size, for example to 64'
        )
    return width, height


def _is_class(folder: Path) -> bool:
    return not folder.name.startswith('.') and folder.name not in _NO_CLASSES


def _images_below(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob('*')) if _is_image(path, folder)]


def _is_image(path: Path, folder: Path) -> bool:
    """Return whether a file is an image that is meant; folder: what is above is none of ours."""
    hidden = any(not _is_class(Path(part)) for part in path.relative_to(folder).parts)
    return path.suffix.lower() in _SUFFIXES and not hidden and path.is_file()


def _tell_unreadable(folder: Path, files: Sequence[tuple[Path, Exception]], count: int) -> None:
    """Log what was left out; DataError if that is all there is."""
    named = ', '.join(f'{path.relative_to(folder)} ({error})' for path, error in files[:_NAMED])
    more = ', ...' if len(files) > _NAMED else ''
    text = f'{folder}: {len(files)} of {count} images cannot be read: {named}{more}'
    if len(files) == count:
        raise DataError(text)
    _LOG.warning('%s; they are left out', text)


def _is_grey(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            return image.mode in _GREY_MODES
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return True  # reading it will say what is wrong


def _read_image(path: Path, channels: int, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    """Return an image, uint8 [channels, height, width]; size: width, height."""
    with Image.open(path) as file:
        image: Image.Image = ImageOps.exif_transpose(file)
    if image.mode == 'F' or image.mode.startswith('I'):
        image = Image.fromarray(_eight_bits(np.asarray(image)))
    image = image.convert('L' if channels == 1 else 'RGB')
    if size is not None and image.size != size:
        image = image.resize(size)
    pixels = np.asarray(image, np.uint8)
    return np.ascontiguousarray(pixels[None] if channels == 1 else pixels.transpose(2, 0, 1))


def _eight_bits(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return deep grey values as bytes: the upper 8 of 16 bits, or floats of 0..1."""
    if values.dtype.kind == 'f':
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            raise ValueError('float values outside of 0..1')
        scaled: NDArray[np.uint8] = np.round(values * 255).astype(np.uint8)
        return scaled
    wide = values.astype(np.int64)
    if wide.min() < 0 or wide.max() > 0xFFFF:
        raise ValueError('values outside of 16 bits')
    upper: NDArray[np.uint8] = (wide >> 8).astype(np.uint8)
    return upper


def load_npz(path: Path, split: str) -> Samples:
    """Load an .npz with arrays x (or x_train, x_test), y likewise (optional) and class_names.

    x: [N, H, W], [N, H, W, C] with C of 1 or 3, or [N, C, H, W]; uint8, floating, or integers of
    0..255. y: integers from 0, or text, which becomes names of classes.
    """
    if not path.is_file():
        raise DataError(f'{path} does not exist: give the path of an .npz file')
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in _wanted(path, archive.files, split)}
    except DataError:
        raise
    except Exception as error:  # whatever numpy makes of what is no .npz
        raise DataError(f'{path} cannot be read as .npz: {one_line(error)}') from error
    values = _checked_values(path, arrays[_named('x', split, arrays)])
    names = tuple(str(name) for name in arrays.get('class_names', np.array([])).reshape(-1))
    y_name = _named('y', split, arrays)
    if y_name not in arrays:
        return Samples(values, None, names)
    labels, names = _checked_labels(path, arrays[y_name].reshape(-1), names)
    try:
        return Samples(values, labels, names)
    except DataError as error:
        raise DataError(f'{path}: {error}') from error


def _wanted(path: Path, names: Sequence[str], split: str) -> Iterator[str]:
    if _named('x', split, names) not in names:
        raise DataError(f'{path} has {list(names)}: an array x or x_{split} is needed')
    wanted = {_named('x', split, names), _named('y', split, names), 'class_names'}
    return (name for name in names if name in wanted)


def _named(name: str, split: str, names: Any) -> str:
    return f'{name}_{split}' if f'{name}_{split}' in names else name


def _checked_values(path: Path, values: NDArray[Any]) -> NDArray[Any]:
    """Return uint8 or float32 with channels first; DataError for what would be bent."""
    if values.ndim < 2 or values.dtype.kind not in 'buif':
        raise DataError(f'{path}: x is {values.dtype} {list(values.shape)}: [N, ...] is needed')
    if values.dtype.kind == 'f':
        values = values.astype(np.float32)
        if not np.isfinite(values).all():
            raise DataError(f'{path}: x has values that are not finite')
        if values.ndim > 2 and values.size and values.min() >= 0 and 16 < values.max() <= 255:
            raise DataError(
                f'{path}: x is floating with values up to {values.max():g}: store pixels as '
                'uint8, or divide them by 255'
            )
    elif values.dtype != np.uint8:
        if values.size and (values.min() < 0 or values.max() > 255):
            raise DataError(
                f'{path}: x is {values.dtype} with values {values.min()}..{values.max()}: 0..255, '
                'or floating values, are needed'
            )
        values = values.astype(np.uint8)
    if values.ndim == 3:
        return np.ascontiguousarray(values[:, None])
    if values.ndim == 4 and values.shape[1] not in (1, 3):
        if values.shape[-1] in (1, 3):
            return np.ascontiguousarray(values.transpose(0, 3, 1, 2))
        if values.shape[-1] < min(values.shape[1:3]):
            raise DataError(
                f'{path}: x is {list(values.shape)}: {values.shape[-1]} channels behind the '
                'pixels are not known (1 or 3 are); channels may come first, [N, C, H, W]'
            )
    return np.ascontiguousarray(values)


def _checked_labels(
    path: Path, labels: NDArray[Any], names: tuple[str, ...]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return labels as integers, and the names of the classes."""
    if labels.dtype.kind in 'US':
        texts = [one.decode() if isinstance(one, bytes) else str(one) for one in labels.tolist()]
        names = names or tuple(sorted(set(texts)))
        unknown = sorted(set(texts) - set(names))
        if unknown:
            raise DataError(f'{path}: y has {unknown[0]!r}, class_names has {list(names)}')
        index = {name: number for number, name in enumerate(names)}
        return np.array([index[text] for text in texts], np.int64), names
    if labels.dtype.kind not in 'buif' or not np.array_equal(labels, np.floor(labels)):
        raise DataError(
            f'{path}: y is {labels.dtype}, not whole numbers: labels are integers from 0'
        )
    whole = labels.astype(np.int64)
    if whole.size and whole.min() < 0:
        raise DataError(f'{path} has label {whole.min()}: labels are integers from 0')
    most = int(whole.max()) + 1 if whole.size else 0
    if most > _MOST_CLASSES:
        raise DataError(f'{path} has label {most - 1}: labels count the classes from 0')
    return whole, names or tuple(str(number) for number in range(most))
