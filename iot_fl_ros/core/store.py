"""Checkpoints on disk: safetensors plus a JSON manifest, never half written.

The manifest is the commit point: it names the tensor file and its digest, and is renamed into
place after that file is on disk. A crash at any moment leaves the former checkpoint whole.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from iot_fl_ros.core.errors import ConfigError, DataError
from iot_fl_ros.core.tensors import Tensors, digest_of

_FILE = re.compile(r'state_[0-9]{1,18}\.safetensors')
Checkpoint = tuple[dict[str, Any], dict[str, NDArray[Any]]]


class Store(Protocol):
    """Keeps the latest checkpoint of one participant."""

    @property
    def place(self) -> str:
        """Where it is, for errors."""

    def write(self, manifest: Mapping[str, Any], tensors: Tensors) -> None:
        """Replace the checkpoint."""

    def clear(self) -> None:
        """Forget the checkpoint, before a run begins anew in its place."""

    def read(self) -> Checkpoint | None:
        """Return (manifest, tensors) of the checkpoint, or None if there is none."""


class MemoryStore:
    """A store that lives as long as the object."""

    def __init__(self) -> None:
        self._kept: tuple[str, dict[str, NDArray[Any]]] | None = None

    @property
    def place(self) -> str:
        """No folder."""
        return 'memory'

    def write(self, manifest: Mapping[str, Any], tensors: Tensors) -> None:
        """Replace the checkpoint."""
        # Through JSON, as on disk: nothing of the caller's is shared.
        self._kept = json.dumps(manifest), {name: np.array(t) for name, t in tensors.items()}

    def clear(self) -> None:
        """Forget the checkpoint."""
        self._kept = None

    def read(self) -> Checkpoint | None:
        """Return the checkpoint."""
        return (json.loads(self._kept[0]), dict(self._kept[1])) if self._kept else None


class FolderStore:
    """A store in a folder: `checkpoint.json` and `state_<n>.safetensors`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._manifest = folder / 'checkpoint.json'

    @property
    def place(self) -> str:
        """The folder."""
        return str(self._folder)

    def write(self, manifest: Mapping[str, Any], tensors: Tensors) -> None:
        """Replace the checkpoint on disk; returns when it is durable."""
        self._folder.mkdir(parents=True, exist_ok=True)
        old = self._named_file()
        number = int(old.stem.removeprefix('state_')) + 1 if old else 0
        content = save({name: np.ascontiguousarray(t) for name, t in tensors.items()})
        file = self._folder / f'state_{number}.safetensors'
        write_durably(file, content)
        head = {'file': file.name, 'digest': digest_of(content).hex()}
        write_durably(self._manifest, json.dumps({**manifest, **head}, indent=1).encode())
        for stale in self._folder.glob('state_*.safetensors'):
            if stale != file:
                stale.unlink(missing_ok=True)

    def clear(self) -> None:
        """Forget the checkpoint."""
        self._manifest.unlink(missing_ok=True)

    def read(self) -> Checkpoint | None:
        """Return the checkpoint; DataError if its files do not belong together."""
        file = self._named_file()
        if file is None:
            return None
        manifest = json.loads(self._manifest.read_text())
        try:
            content = file.read_bytes()
        except OSError as error:
            raise DataError(f'checkpoint {file} is missing: delete {self._folder}') from error
        if digest_of(content).hex() != manifest.pop('digest', None):
            raise DataError(f'checkpoint {file} is damaged: delete {self._folder}')
        del manifest['file']
        return manifest, load(content)

    def _named_file(self) -> Path | None:
        if not self._manifest.is_file():
            return None
        try:
            name = str(json.loads(self._manifest.read_text())['file'])
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f'{self._manifest} is damaged: delete {self._folder}') from error
        if not _FILE.fullmatch(name):
            raise DataError(f'{self._manifest} is damaged: delete {self._folder}')
        return self._folder / name


def write_durably(path: Path, content: bytes) -> None:
    """Write to a temporary file, fsync, rename, fsync the folder."""
    temporary = path.with_name(path.name + '.tmp')
    try:
        with temporary.open('wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)  # it is in the way on a full disk
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_of_run(store: Store, run_id: str) -> Checkpoint | None:
    """Return the checkpoint of a run, None if there is none; ConfigError if it is another's."""
    kept = store.read()
    if kept is not None and kept[0].get('run_id') != run_id:
        raise ConfigError(
            f'the checkpoint in {store.place} is one of {kept[0].get("run_id")}, this run is '
            f'{run_id}: settings upon which robots must agree are others, or the package has new '
            'ones; delete that folder, or choose another run.output or robot.checkpoint_dir'
        )
    return kept
