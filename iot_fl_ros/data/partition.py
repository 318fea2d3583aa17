"""Sharing labelled samples out among robots.

IID and shards: McMahan et al., arXiv 1602.05629, section 3. Dirichlet: Hsu et al., arXiv
1909.06335, section 3, over classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.errors import ConfigError

Indices = NDArray[np.int64]


def iid(labels: Indices, robots: int, rng: np.random.Generator) -> list[Indices]:
    """Return `robots` random parts of nearly equal size."""
    return [np.sort(part) for part in np.array_split(rng.permutation(len(labels)), robots)]


def by_shards(
    labels: Indices, robots: int, shards: int, rng: np.random.Generator
) -> list[Indices]:
    """Sort by label, cut into robots * shards pieces and give each robot `shards` of them."""
    if robots * shards > len(labels):
        raise ConfigError(f'{len(labels)} samples cannot make {robots} x {shards} shards')
    pieces = np.array_split(np.argsort(labels, kind='stable'), robots * shards)
    order = rng.permutation(len(pieces)).reshape(robots, shards)
    return [np.sort(np.concatenate([pieces[i] for i in row])) for row in order]


def by_dirichlet(
    labels: Indices, robots: int, alpha: float, rng: np.random.Generator
) -> list[Indices]:
    """Share out each class in proportions drawn from Dirichlet(alpha); no robot stays empty."""
    if robots > len(labels):
        raise ConfigError(f'{len(labels)} samples are too few for {robots} robots')
    parts: list[list[int]] = [[] for _ in range(robots)]
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        cuts = np.cumsum(rng.dirichlet(np.full(robots, alpha)))[:-1] * len(members)
        for part, piece in zip(parts, np.split(members, cuts.astype(int)), strict=True):
            part.extend(piece.tolist())
    for part in parts:
        if not part:
            part.append(max(parts, key=len).pop())
    return [np.sort(np.array(part, np.int64)) for part in parts]


def by_labels(
    labels: Indices, robots: int, fewest: int, most: int, rng: np.random.Generator
) -> list[Indices]:
    """Give each robot `fewest` to `most` labels at random, and all samples of each of them.

    As in Tram-FL, arXiv 2610.07859: every label is somewhere, and robots may share samples.
    """
    known = np.unique(labels)
    fewest, most = min(fewest, len(known)), min(most, len(known))
    if robots * most < len(known):
        raise ConfigError(f'{robots} robots with {most} labels each cannot have all {len(known)}')
    while True:
        counts = rng.integers(fewest, most + 1, robots)
        chosen = [rng.choice(known, count, replace=False) for count in counts]
        if len(np.unique(np.concatenate(chosen))) == len(known):
            return [np.flatnonzero(np.isin(labels, own)) for own in chosen]
