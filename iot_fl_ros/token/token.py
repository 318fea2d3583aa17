"""A token: what travels, as a value, and as tensors on the wire and on disk."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.token import TokenOffer, TokenPhase
from iot_fl_ros.core.tensors import Tensors, TensorSpec
from iot_fl_ros.methods.method import check_finite

_MODEL = 'model'
_VELOCITY = 'velocity'
_SPAN = 'velocity_range'
_LEVELS = 255


@dataclass(frozen=True)
class Log:
    """The way of a token so far and its plan; fields as in TokenOffer.

    class_usage: samples of each class that it was trained on. position: its robot on the route;
    -1 = no plan yet.
    """

    class_usage: tuple[int, ...]
    phase: int = TokenPhase.TRAINING
    visits: int = 0
    updates: int = 0
    cycle: int = 0
    route: tuple[str, ...] = ()
    shares: tuple[int, ...] = ()
    position: int = -1

    @classmethod
    def of_offer(cls, offer: TokenOffer) -> Log:
        """Return the log that an offer tells."""
        return cls(**{field.name: getattr(offer, field.name) for field in dataclasses.fields(cls)})

    @classmethod
    def of_manifest(cls, manifest: Mapping[str, Any]) -> Log:
        """Return the log that a checkpoint kept."""
        lists = {name: tuple(value) for name, value in manifest.items() if isinstance(value, list)}
        return cls(**{**manifest, **lists})


@dataclass(frozen=True)
class Token:
    """A copy of a token: the result of the holder with fencing number `base`.

    trained: it has been trained where it is; otherwise it waits for that. tensors: of the wire.
    """

    token_id: int
    base: int
    trained: bool
    log: Log
    tensors: Tensors

    @property
    def model(self) -> NDArray[np.float32]:
        """State of the model, float32."""
        return self.tensors[_MODEL]

    @property
    def velocity(self) -> NDArray[np.float32]:
        """Momentum of the trained values, float32."""
        velocity = self.tensors[_VELOCITY]
        if velocity.dtype == np.float32:
            return velocity
        return dequantise(velocity, self.tensors[_SPAN])


def token_specs(state: int, trained: int, bits: int) -> tuple[TensorSpec, ...]:
    """Return the tensors of a token: a model of `state` values, `trained` ones with momentum."""
    model = TensorSpec(_MODEL, 'float32', (state,))
    if bits == 32:
        return model, TensorSpec(_VELOCITY, 'float32', (trained,))
    return model, TensorSpec(_VELOCITY, 'uint8', (trained,)), TensorSpec(_SPAN, 'float32', (2,))


def token_tensors(model: NDArray[np.float32], velocity: NDArray[np.float32], bits: int) -> Tensors:
    """Return the tensors that travel."""
    if bits == 32:
        return {_MODEL: model, _VELOCITY: velocity}
    levels, span = quantise(velocity)
    return {_MODEL: model, _VELOCITY: levels, _SPAN: span}


def check_token(tensors: Tensors) -> None:
    """Raise MessageError if the values can be those of no token."""
    check_finite(tensors)
    span = tensors.get(_SPAN)
    if span is not None and span[1] < span[0]:
        raise MessageError('out of range', f'momentum from {span[0]:g} to {span[1]:g}')


def merged(first: Token, second: Token, bits: int) -> tuple[Tensors, tuple[int, ...]]:
    """Return the tensors and the class usage of both tokens after a meeting.

    The mean of their models, momenta and class usages, weighted by their mini-batches.
    """
    weights = np.array([first.log.updates, second.log.updates], np.float64)
    one, two = (weights / max(1.0, float(weights.sum()))).astype(np.float32)
    model = one * first.model + two * second.model
    velocity = one * first.velocity + two * second.velocity
    usage = tuple(
        round(float(one) * a + float(two) * b)
        for a, b in zip(first.log.class_usage, second.log.class_usage, strict=True)
    )
    return token_tensors(model, velocity, bits), usage


def quantise(values: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return values [T] as uint8 [T], and their range [p, q] as float32 [2].

    Linear quantisation to b = 8 bits (arXiv 2610.07859): s = (2^b - 1) / (q - p),
    z = -round(p s) - 2^(b-1), v_q = clip(round(s v + z)), v^ = (v_q - z) / s. Values are kept
    shifted by 2^(b-1).
    """
    if not len(values):
        return np.zeros(0, np.uint8), np.zeros(2, np.float32)
    low, high = float(values.min()), float(values.max())
    if high <= low:  # the first hop: all zero
        return np.zeros(len(values), np.uint8), np.array([low, low], np.float32)
    scale = _LEVELS / (high - low)
    zero = round(low * scale)
    levels = np.clip(np.rint(values.astype(np.float64) * scale) - zero, 0, _LEVELS)
    return levels.astype(np.uint8), np.array([low, high], np.float32)


def dequantise(levels: NDArray[np.uint8], span: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the values [T], float32, that `quantise` made levels and range of."""
    low, high = float(span[0]), float(span[1])
    if high <= low:
        return np.full(len(levels), low, np.float32)
    scale = _LEVELS / (high - low)
    zero = round(low * scale)
    return ((levels.astype(np.float64) + zero) / scale).astype(np.float32)
