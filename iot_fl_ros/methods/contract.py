"""What a method returned, held to what it declares, where it returned it.

A method of somebody else's breaks its contract sooner or later. Without this its own fleet would
refuse what it sends, each robot for itself, and every round would last until its deadline.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.effects import Effect, Warn
from iot_fl_ros.core.errors import PluginError
from iot_fl_ros.core.tensors import Tensors, TensorSpec


def as_declared(
    tensors: Tensors, specs: tuple[TensorSpec, ...], source: str, declared: str
) -> dict[str, NDArray[Any]]:
    """Return the tensors in the order and the data types of `specs`; PluginError if they differ.

    Floating values of another precision, and integers that fit, are converted: numpy.average gives
    float64 whatever it is given. source, declared: names of the functions, for the error.
    """
    if not isinstance(tensors, Mapping):
        raise PluginError(f'{source} returned {type(tensors).__name__}: arrays by name are needed')
    wanted = [spec.name for spec in specs]
    if sorted(map(str, tensors)) != sorted(wanted):
        found = ', '.join(map(str, tensors)) or 'nothing'
        raise PluginError(
            f'{source} returned {found}; {declared} says {", ".join(wanted) or "nothing"}'
        )
    return {spec.name: _one(tensors[spec.name], spec, source, declared) for spec in specs}


def _one(value: Any, spec: TensorSpec, source: str, declared: str) -> NDArray[Any]:
    try:
        array = np.asarray(value)
    except ValueError as error:  # lists of several lengths
        raise PluginError(f'{source}: {spec.name} is no array: {error}') from error
    found = TensorSpec(spec.name, str(array.dtype), array.shape)
    dtype = np.dtype(spec.dtype)
    both_floats = array.dtype.kind == 'f' and dtype.kind == 'f'
    fits = both_floats or np.can_cast(array.dtype, dtype, 'safe') or _integers_fit(array, dtype)
    if not fits:
        raise PluginError(f'{source}: {_text(found)}, {declared} says {_text(spec)}')
    with np.errstate(over='ignore'):  # what is infinite is refused by its value
        array = array.astype(dtype, copy=False)
    if not spec.allows(TensorSpec(spec.name, spec.dtype, array.shape)):
        raise PluginError(f'{source}: {_text(found)}, {declared} says {_text(spec)}')
    return array


def _integers_fit(array: NDArray[Any], dtype: np.dtype[Any]) -> bool:
    """Return whether integers are all in the range of another type of integers."""
    if array.dtype.kind not in 'iu' or dtype.kind not in 'iu':
        return False
    limits = np.iinfo(dtype)
    return not array.size or bool(limits.min <= array.min() and array.max() <= limits.max)


def _text(spec: TensorSpec) -> str:
    sizes = [f'0..{-size}' if size < 0 else str(size) for size in spec.shape]
    return f'{spec.name} is {spec.dtype} [{", ".join(sizes)}]'


def sendable_loss(loss: float, round: int) -> tuple[float, list[Effect]]:
    """Return a loss as it may be sent, NaN for an infinite one, and what to tell about that."""
    if not math.isinf(loss):
        return loss, []
    return math.nan, [Warn('loss', f'the loss of round {round} is {loss}: it is sent as unknown')]


def as_loss(loss: Any) -> float:
    """Return a loss of any type of number as a float, nats; None is NaN, that is, unknown.

    PluginError if it is no number.
    """
    if loss is None:
        return math.nan
    try:
        return float(loss)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:  # of several values
        raise PluginError(f'train returned loss {loss!r}: a number is needed') from error
