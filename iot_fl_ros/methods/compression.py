"""Model updates in fewer bytes: 8 bits a weight, or only the largest changes.

What is lost in one round is added to the next (error feedback: Seide et al., Interspeech 2014;
Karimireddy et al., arXiv 1901.09847). Top-k: Aji and Heafield, arXiv 1704.05021.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.tensors import Tensors, TensorSpec
from iot_fl_ros.training.state import ModelState, StateRole

UPLOADS = ('float32', 'uint8', 'topk')
# Values that share one scale; smaller blocks follow the layers' different ranges better.
_BLOCK = 1_024
_MIDDLE = 128
MAX_SCALE = 1e5

Vector = NDArray[np.float32]


def specs(kind: str, size: int, fraction: float) -> tuple[TensorSpec, ...]:
    """Return the tensors of an encoded update of a state of `size` values (kind uint8 or topk).

    How many values are trained, and so encoded, only the model knows; the rest are statistics of
    normalisation layers, which go as they are.
    """
    statistics = TensorSpec('statistics', 'float32', (-size,))
    if kind == 'uint8':
        blocks = math.ceil(size / _BLOCK)
        change = TensorSpec('change', 'uint8', (-size,))
        return change, TensorSpec('scale', 'float32', (-blocks,)), statistics
    kept = kept_values(size, fraction)
    index = TensorSpec('index', 'uint32', (-kept,))
    return index, TensorSpec('value', 'float16', (-kept,)), statistics


def kept_values(size: int, fraction: float) -> int:
    """Return how many of `size` values top-k keeps: at least one."""
    return max(1, round(size * fraction))


def encode(change: Vector, kind: str, fraction: float) -> Tensors:
    """Return `change` encoded; what `decode` gives back is what the receiver will see."""
    if kind == 'uint8':
        blocks = _blocks(change)
        scale = np.abs(blocks).max(axis=1) / np.float32(_MIDDLE - 1)
        steps = np.rint(blocks / np.where(scale > 0, scale, 1)[:, None]).astype(np.int16)
        codes = (steps + _MIDDLE).astype(np.uint8).reshape(-1)[: len(change)]
        return {'change': codes, 'scale': scale.astype(np.float32)}
    kept = kept_values(len(change), fraction)
    index = np.sort(np.argpartition(np.abs(change), -kept)[-kept:])
    limit = np.finfo(np.float16).max
    value = np.clip(change[index], -limit, limit).astype(np.float16)
    return {'index': index.astype(np.uint32), 'value': value}


def decode(tensors: Tensors, size: int) -> Vector:
    """Return the change that `tensors` stand for, float32 [size]; MessageError if they do not."""
    if 'change' in tensors:
        steps, scale = tensors['change'].astype(np.float32) - _MIDDLE, tensors['scale']
        if len(steps) != size or len(scale) != math.ceil(size / _BLOCK):
            raise MessageError('bad length', f'{len(steps)} changes of {size} values')
        return (_blocks(steps) * scale[:, None]).reshape(-1)[:size]
    index, value = tensors['index'], tensors['value']
    if len(index) != len(value) or (len(index) and index[-1] >= size):
        raise MessageError('bad length', f'{len(value)} changes at {len(index)} places of {size}')
    change = np.zeros(size, np.float32)
    change[index] = value
    return change


def changed(state: Vector, model_state: ModelState, tensors: Tensors) -> Vector:
    """Return `state` with the change of its trained values, and with the statistics that came.

    MessageError if `tensors` do not stand for a change of it.
    """
    trained = model_state.having(StateRole.TRAINED)
    statistics = model_state.having(StateRole.STATISTICS)
    change = decode(tensors, int(trained.sum()))
    if len(tensors['statistics']) != int(statistics.sum()):
        raise MessageError('bad length', f'{len(tensors["statistics"])} statistics')
    state[trained] += change
    state[statistics] = tensors['statistics']
    return state


def check(tensors: Tensors) -> None:
    """Raise MessageError if indices do not rise, or a scale is absurd."""
    index = tensors.get('index')
    if index is not None and (np.diff(index.astype(np.int64)) < 1).any():
        raise MessageError('out of range', 'indices must rise')
    scale = tensors.get('scale', np.zeros(1))
    if (scale < 0).any() or (scale > MAX_SCALE).any():
        raise MessageError('out of range', f'scales must be in 0..{MAX_SCALE:g}')


def _blocks(values: Vector) -> Vector:
    """Return [size] as [blocks, _BLOCK], the last one padded with zeros."""
    padded = np.zeros(math.ceil(len(values) / _BLOCK) * _BLOCK, np.float32)
    padded[: len(values)] = values
    return padded.reshape(-1, _BLOCK)
