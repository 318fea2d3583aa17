"""Data and model of a participant, made ready from its settings."""

from __future__ import annotations

from typing import NamedTuple

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.core.seeds import derive_seed
from iot_fl_ros.data.parts import private_samples, test_samples
from iot_fl_ros.data.samples import Samples
from iot_fl_ros.data.settings import DataSettings
from iot_fl_ros.models.registry import build_classifier
from iot_fl_ros.training.trainer import Trainer


class OwnData(NamedTuple):
    """The samples of a robot that nobody tells which classes there are. test: None = none."""

    class_names: tuple[str, ...]
    private: Samples
    test: Samples | None


def own_data(data: DataSettings, test_size: int) -> OwnData:
    """Load private and test samples; DataError if they do not fit, or no classes are known."""
    test = test_samples(data, test_size) if data.test else None
    names = tuple(data.class_names) or (test.class_names if test else ())
    if not names:
        raise DataError('classes are unknown: set data.class_names or data.test')
    shape = test.shape if test else None
    private = private_samples(data, names, shape)
    if shape and private.shape != shape:
        raise DataError(f'{data.private} has samples {private.shape}, the test {shape}')
    return OwnData(names, private, test.with_classes(names) if test else None)


def new_trainer(
    model: str,
    shape: tuple[int, ...],
    classes: int,
    run_seed: int,
    device: str,
    private: Samples | None = None,
) -> Trainer:
    """Return a trainer of a new model.

    One architecture starts from the same point in all of a run; another one, from its own.
    """
    seed = derive_seed(run_seed, 'model')
    return Trainer(build_classifier(model, shape, classes, seed), device, private)
