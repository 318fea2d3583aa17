"""The folder that a simulator opens: the world file and a picture for each of its boards.

The pictures are test images of Fashion-MNIST, which this repository does not contain.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.core.seeds import generator
from iot_fl_ros.data import fashion_mnist
from iot_fl_ros.data.packages import cache_folder, make_folder, replace_file
from iot_fl_ros.world.elements import Board, boards_of
from iot_fl_ros.world.installed import TEMPLATE, WORLD, worlds_folder
from iot_fl_ros.world.sdf import read_world

PICTURES = 'pictures.json'
_SIDE = 112  # pixels: four for each of the data set
_FORMAT = 1  # of the folder; counts up when what is written changes


def prepare_world(
    folder: Path | None = None, *, worlds: Path | None = None, seed: int = 0
) -> Path:
    """Write the world, the robot's template and the boards' pictures; return the world file.

    folder: default `$XDG_CACHE_HOME/iot_fl_ros/worlds/fleet-<hash>`, written once. worlds: where
    the world comes from (default: the installed one). pictures.json there says which test image
    of Fashion-MNIST each board shows. The same seed gives the same bytes. DataError if the data
    set is not to be had, or nothing can be written.
    """
    source = worlds or worlds_folder()
    if folder is None:
        folder = cache_folder('worlds') / f'fleet-{_digest(source, seed)}'
        if (folder / PICTURES).is_file():
            return folder / WORLD
    boards = boards_of(read_world(source / WORLD))
    make_folder(folder / 'textures')
    images = fashion_mnist.load('test')
    chosen = choose_pictures(boards, images.labels, seed)
    for board in boards:
        grey = Image.fromarray(np.asarray(images.values[chosen[board.name], 0]))
        picture = grey.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC).convert('RGB')
        encoded = io.BytesIO()
        picture.save(encoded, 'PNG')
        replace_file(folder / board.texture, encoded.getvalue())
    for name in (WORLD, TEMPLATE):
        replace_file(folder / name, (source / name).read_bytes())
    content = (json.dumps(chosen, indent=1) + '\n').encode()
    replace_file(folder / PICTURES, content)  # last: complete
    return folder / WORLD


def choose_pictures(
    boards: Sequence[Board], labels: np.ndarray | None, seed: int
) -> dict[str, int]:
    """Return which image each board shows, by its name: of its class, none twice."""
    if labels is None:
        raise DataError('pictures for boards need labels')
    chosen: dict[str, int] = {}
    for kind in sorted({board.kind for board in boards}):
        mine = [board for board in boards if board.kind == kind]
        candidates = np.flatnonzero(labels == kind)
        if len(candidates) < len(mine):
            raise DataError(f'class {kind} has {len(candidates)} images for {len(mine)} boards')
        order = generator(seed, 'world', 'pictures', kind).permutation(candidates)
        chosen |= {board.name: int(n) for board, n in zip(mine, order, strict=False)}
    return dict(sorted(chosen.items()))


def _digest(source: Path, seed: int) -> str:
    digest = hashlib.sha256(f'{_FORMAT} {seed} '.encode())
    for name in (WORLD, TEMPLATE):
        try:
            digest.update((source / name).read_bytes())
        except OSError as error:
            raise DataError(f'cannot read the world: {error}') from error
    return digest.hexdigest()[:12]
