"""Which samples of a data set play which part: private, open, test.

Private and open samples are disjoint parts of the training split when they come from the same
data set; a fixed seed makes every robot see the same split without talking to the others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.errors import ConfigError, DataError
from iot_fl_ros.core.seeds import generator
from iot_fl_ros.data.partition import by_dirichlet, by_shards, iid
from iot_fl_ros.data.registry import load_samples
from iot_fl_ros.data.samples import Samples
from iot_fl_ros.data.settings import DataSettings

Shape = tuple[int, ...]


def private_samples(
    settings: DataSettings, class_names: tuple[str, ...], like: Shape | None = None
) -> Samples:
    """Return the labelled samples of the robot that has part `partition_index`."""
    samples = load_samples(settings.private, 'train', like).with_classes(class_names)
    if samples.labels is None:
        raise DataError(f'{settings.private} has no labels: one sub-folder per class is needed')
    pool = _order(samples, settings)[: settings.private_size or len(samples)]
    if settings.partition == 'none':
        return samples.take(pool)
    parts = _partition(samples.labels[pool], settings)
    if settings.partition_index >= len(parts):
        raise ConfigError(
            f'data.partition_index is {settings.partition_index}: must be below {len(parts)}'
        )
    return samples.take(pool[parts[settings.partition_index]])


def open_samples(settings: DataSettings, like: Shape | None = None) -> Samples:
    """Return the open set without labels: the same samples in the same order everywhere."""
    samples = load_samples(settings.open, 'train', like).unlabelled()
    start = 0
    order = _order(samples, settings)
    if settings.open == settings.private:
        start = settings.private_size
        if not start or start >= len(samples):
            raise ConfigError(
                f'data.private_size is {start}: leave samples of {settings.open} for the open set'
            )
    stop = start + settings.open_size if settings.open_size else len(samples)
    return samples.take(order[start:stop])


def test_samples(settings: DataSettings, size: int, like: Shape | None = None) -> Samples:
    """Return the first `size` test samples (0 = all) in random order."""
    samples = load_samples(settings.test, 'test', like)
    if samples.labels is None:
        raise DataError(f'{settings.test} has no labels: accuracy cannot be measured on it')
    order = generator(settings.seed, 'test').permutation(len(samples))
    return samples.take(order[: size or len(samples)])


def _order(samples: Samples, settings: DataSettings) -> NDArray[np.int64]:
    return generator(settings.seed, 'split').permutation(len(samples))


def _partition(labels: NDArray[np.int64], settings: DataSettings) -> list[NDArray[np.int64]]:
    rng = generator(settings.seed, 'partition')
    robots = settings.partition_count
    if settings.partition == 'iid':
        return iid(labels, robots, rng)
    if settings.partition == 'shards':
        return by_shards(labels, robots, settings.shards, rng)
    return by_dirichlet(labels, robots, settings.alpha, rng)
