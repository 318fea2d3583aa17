"""The parts of a data set: private, open, test.

Private and open samples are disjoint parts of the training split when they come from the same
data set; a fixed seed makes every robot see the same split without talking to the others.
Sharing out, IID and shards: McMahan et al., arXiv 1602.05629, section 3; Dirichlet: Hsu et al.,
arXiv 1909.06335, section 3, over classes.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.errors import ConfigError, DataError
from iot_fl_ros.core.seeds import generator
from iot_fl_ros.data.registry import load_samples
from iot_fl_ros.data.samples import Samples
from iot_fl_ros.data.settings import DataSettings

Indices = NDArray[np.int64]
Shape = tuple[int, ...]
T = TypeVar('T')
_MOST_DRAWS = 1_000
# What the robots of a process share: parts, an open set, two test sets, and those of a former run.
_MOST_SHARED = 6
_CACHE: dict[Any, Any] = {}
_LOCK = threading.Lock()


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
    if fewest > most:
        raise ConfigError(
            f'data.fewest_labels is {fewest}, data.most_labels is {most}: at most that many'
        )
    fewest, most = min(fewest, len(known)), min(most, len(known))
    if robots * most < len(known):
        raise ConfigError(f'{robots} robots with {most} labels each cannot have all {len(known)}')
    for _ in range(_MOST_DRAWS):
        counts = rng.integers(fewest, most + 1, robots)
        chosen = [rng.choice(known, count, replace=False) for count in counts]
        if len(np.unique(np.concatenate(chosen))) == len(known):
            break
    else:  # so few places that chance hardly ever fills them all
        chosen = _every_label_once(known, robots, fewest, most, rng)
    return [np.flatnonzero(np.isin(labels, own)) for own in chosen]


def _every_label_once(
    known: Indices, robots: int, fewest: int, most: int, rng: np.random.Generator
) -> list[Indices]:
    """Deal the labels out in turn, then fill up robots that have too few."""
    dealt = rng.permutation(known)
    chosen = [dealt[robot::robots] for robot in range(robots)]
    for robot, own in enumerate(chosen):
        count = max(len(own), int(rng.integers(fewest, most + 1)))
        others = rng.permutation(np.setdiff1d(known, own))[: count - len(own)]
        chosen[robot] = np.concatenate([own, others])
    return chosen


def private_samples(
    settings: DataSettings, class_names: tuple[str, ...], like: Shape | None = None
) -> Samples:
    """Return the labelled samples of the robot that has part `partition_index`."""
    samples, parts = _shared(_private_parts, settings, class_names, like)
    if settings.partition_index >= len(parts):
        raise ConfigError(
            f'data.partition_index is {settings.partition_index}: must be below {len(parts)}'
        )
    return samples.take(parts[settings.partition_index])


def _private_parts(
    settings: DataSettings, class_names: tuple[str, ...], like: Shape | None
) -> tuple[Samples, list[NDArray[np.int64]]]:
    """Return the data set and the indices of every robot's samples in it."""
    if not settings.private:
        raise ConfigError('data.private is empty: name the samples of the robots')
    samples = load_samples(settings.private, 'train', like, settings.picture_size).with_classes(
        class_names
    )
    if samples.labels is None:
        raise DataError(f'{settings.private} has no labels: one sub-folder per class is needed')
    pool = _order(samples, settings)[: settings.private_size or len(samples)]
    if settings.partition == 'none':
        parts = [pool] * (settings.partition_index + 1)
    else:  # by the true labels: noise does not change who has what
        parts = [pool[part] for part in _partition(samples.labels[pool], settings)]
    noisy = _with_label_noise(samples, pool, settings) if settings.label_noise else samples
    return noisy, parts


def open_samples(settings: DataSettings, like: Shape | None = None) -> Samples:
    """Return the open set without labels: the same samples in the same order everywhere.

    The robots of one process share it.
    """
    return _shared(_open_samples, settings, like)


def _open_samples(settings: DataSettings, like: Shape | None) -> Samples:
    if not settings.open:
        raise ConfigError('data.open is empty: this method needs an open set, name one')
    samples = load_samples(settings.open, 'train', like, settings.picture_size).unlabelled()
    start = 0
    order = _order(samples, settings)
    if settings.open == settings.private:
        start = settings.private_size
        if not start or start >= len(samples):
            raise ConfigError(
                f'data.private_size is {start}: leave samples of {settings.open} for the open set'
            )
    stop = start + settings.open_size if settings.open_size else len(samples)
    chosen = samples.take(order[start:stop])
    return _with_strangers(chosen, settings) if settings.open_noise else chosen


def test_samples(settings: DataSettings, size: int, like: Shape | None = None) -> Samples:
    """Return the first `size` test samples (0 = all) in random order; shared as the open set."""
    return _shared(_test_samples, settings, size, like)


def _test_samples(settings: DataSettings, size: int, like: Shape | None) -> Samples:
    samples = load_samples(settings.test, 'test', like, settings.picture_size)
    if samples.labels is None:
        raise DataError(f'{settings.test} has no labels: accuracy cannot be measured on it')
    order = generator(settings.seed, 'test').permutation(len(samples))
    return samples.take(order[: size or len(samples)])


def _shared(load: Callable[..., T], settings: DataSettings, *rest: Any) -> T:
    """Return `load(settings, *rest)`, from a former call if only the robot's part differs."""
    index = settings.partition_index if settings.partition == 'none' else 0
    key = (load, repr(dataclasses.replace(settings, partition_index=index)), rest)
    with _LOCK:
        if key not in _CACHE:
            while len(_CACHE) >= _MOST_SHARED:
                _CACHE.pop(next(iter(_CACHE)))
            _CACHE[key] = load(settings, *rest)
        value: T = _CACHE[key]
    return value


def _with_label_noise(
    samples: Samples, pool: NDArray[np.int64], settings: DataSettings
) -> Samples:
    """Replace the label of `label_noise` of the pool by a random other class."""
    assert samples.labels is not None
    rng = generator(settings.seed, 'label noise')
    wrong = rng.choice(pool, round(settings.label_noise * len(pool)), replace=False)
    classes = len(samples.class_names)
    labels = samples.labels.copy()
    labels[wrong] = (labels[wrong] + rng.integers(1, classes, len(wrong))) % classes
    return Samples(samples.values, labels, samples.class_names)


def _with_strangers(samples: Samples, settings: DataSettings) -> Samples:
    """Replace `open_noise` of the samples by samples of another data set."""
    others = load_samples(settings.open_noise_from, 'train', samples.shape)
    if others.shape != samples.shape or others.values.dtype != samples.values.dtype:
        raise DataError(
            f'{settings.open_noise_from} has samples {others.shape}, {others.values.dtype}: '
            f'they cannot stand among {samples.shape}, {samples.values.dtype}'
        )
    rng = generator(settings.seed, 'open noise')
    places = rng.choice(len(samples), round(settings.open_noise * len(samples)), replace=False)
    if len(places) > len(others):
        raise DataError(
            f'data.open_noise asks for {len(places)} samples, {settings.open_noise_from} has '
            f'{len(others)}'
        )
    values = samples.values.copy()
    values[places] = others.values[rng.choice(len(others), len(places), replace=False)]
    return Samples(values, None)


def _order(samples: Samples, settings: DataSettings) -> NDArray[np.int64]:
    return generator(settings.seed, 'split').permutation(len(samples))


def _partition(labels: NDArray[np.int64], settings: DataSettings) -> list[NDArray[np.int64]]:
    rng = generator(settings.seed, 'partition')
    robots = settings.partition_count
    if settings.partition == 'iid':
        return iid(labels, robots, rng)
    if settings.partition == 'shards':
        return by_shards(labels, robots, settings.shards, rng)
    if settings.partition == 'labels':
        return by_labels(labels, robots, settings.fewest_labels, settings.most_labels, rng)
    return by_dirichlet(labels, robots, settings.alpha, rng)
