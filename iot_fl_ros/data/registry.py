"""Data sets by name, or by the path of the user's own files.

A loader takes a split, `train` or `test`, and returns labelled Samples.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

from iot_fl_ros.core.errors import ConfigError, DataError
from iot_fl_ros.core.registry import Registry
from iot_fl_ros.data.files import load_folder, load_npz
from iot_fl_ros.data.samples import Samples

Loader = Callable[[str], Samples]
DATA_SETS = Registry(
    'data set',
    'iot_fl_ros.data_sets',
    {
        '20-newsgroups': 'iot_fl_ros.data.newsgroups:load',
        'cifar-10': 'iot_fl_ros.data.cifar10:load',
        'fashion-mnist': 'iot_fl_ros.data.fashion_mnist:load',
        'mnist': 'iot_fl_ros.data.digits:load_mnist',
        'digits': 'iot_fl_ros.data.digits:load_small',
    },
)


def load_samples(
    name: str, split: str, like: tuple[int, ...] | None = None, side: int = 0
) -> Samples:
    """Load the samples called `name`: registered, a folder, an .npz file or `module:function`.

    like: shape (channels, height, width) to which the images of a folder are converted; side: of
    squares to which they are where there is no such shape, 0 = they stay as the first one is.
    """
    if not name:
        raise ConfigError('the name of a data set is empty')
    try:
        path = Path(name).expanduser()
    except RuntimeError as error:  # ~somebody who is not there
        raise DataError(f'{name}: {error}') from error
    if path.is_dir():
        return load_folder(path / split if (path / split).is_dir() else path, like, side)
    if path.suffix == '.npz':
        return load_npz(path, split)
    if path.is_file() and name not in DATA_SETS.names():
        raise DataError(f'{path} is a file: a folder with one sub-folder per class, or an .npz')
    if len(path.parts) > 1 or name.startswith(('.', '~')):
        raise DataError(f'{path} does not exist{_nearest(path)}')
    loader: Loader = DATA_SETS.get(name)
    samples = loader(split)
    if not isinstance(samples, Samples):
        raise DataError(f'data set {name!r} is a {type(samples).__name__}: Samples are needed')
    return samples


def _nearest(path: Path) -> str:
    """Return what may be meant: the first part of a path that is not there, and a likely name."""
    missing = next(one for one in (*reversed(path.parents), path) if not one.exists())
    if not missing.parent.is_dir():
        return ''
    names = [one.name for one in missing.parent.iterdir()]
    near = difflib.get_close_matches(missing.name, names, n=1)
    where = '' if missing == path else f': there is no {missing}'
    return where + (f': did you mean {missing.parent / near[0]}?' if near else '')
