"""Files that lie inside Debian packages: fetch once without root, check, cache unpacked.

They are looked for in the user's cache, then on the system, then fetched with apt-get. A file in
the cache has been checked against the SHA-256 of its content.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.data.packages import make_folder


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
        if all(_has_size(cache / name, size) for name, (size, _) in self.files.items()):
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
            target = cache / name
            make_folder(target.parent)
            with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
                file.write(content)
            os.chmod(file.name, 0o644)
            os.replace(file.name, target)

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


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size
