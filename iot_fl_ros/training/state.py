"""The state of a model: what of it is exchanged, kept and compared, as one vector of float32.

A value is one of a floating tensor of the model's state_dict, or the real or the imaginary part of
one of a complex tensor. A tensor that has several names is there once, under the first; half and
double ones are float32 in the vector and themselves again in the model. Integers, such as counts
of batches, stay with each model.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.core.tensors import MAX_VALUE

State = NDArray[np.float32]


class StateRole(Enum):
    """How methods treat a tensor."""

    TRAINED = 'trained'  # averaged, stepped by a server optimizer, compressed
    STATISTICS = 'statistics'  # a buffer, such as of BatchNorm: averaged, and sent as it is
    FROZEN = 'frozen'  # a parameter that takes no gradient: as the run began


@dataclass(frozen=True)
class StateTensor:
    """A tensor of the state. names: all that it has. values: of the vector, that is, numbers."""

    names: tuple[str, ...]
    dtype: str
    shape: tuple[int, ...]
    role: StateRole
    values: int


class ModelState:
    """Reads and writes the state of one model, whose structure does not change any more."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self.tensors = _tensors_of(model)
        self.size = sum(one.values for one in self.tensors)

    def read(self) -> State:
        """Return the state, [size]."""
        parts = [_numbers(tensor.detach()).to(torch.float32) for tensor in self._here()]
        return torch.cat(parts).cpu().numpy() if parts else np.zeros(0, np.float32)

    def write(self, state: State) -> None:
        """Set the state, [size]; ConfigError if it is one of another model."""
        flat = torch.from_numpy(np.array(state))
        if flat.numel() != self.size:
            raise ConfigError(f'state of {flat.numel()} values does not fit the model')
        start = 0
        with torch.no_grad():
            for tensor, one in zip(self._here(), self.tensors, strict=True):
                values = flat[start : start + one.values]
                if tensor.dtype is torch.float16:  # a mean may be a little beyond its range
                    limit = torch.finfo(torch.float16).max
                    values = values.clamp(-limit, limit)
                as_real(tensor).copy_(values.view(as_real(tensor).shape))
                start += one.values

    def having(self, *roles: StateRole) -> NDArray[np.bool_]:
        """Return which values belong to tensors of these roles, [size]."""
        parts = [np.full(one.values, one.role in roles) for one in self.tensors]
        return np.concatenate(parts) if parts else np.zeros(0, np.bool_)

    def check(self, model: str) -> None:
        """Raise ConfigError if a value is one that no receiver takes. model: its name."""
        for tensor, one in zip(self._here(), self.tensors, strict=True):
            values = _numbers(tensor.detach()).to(torch.float32)
            wrong = values[~(values.abs() <= MAX_VALUE)]  # NaN too
            if not len(wrong):
                continue
            buffer = one.role is StateRole.STATISTICS
            remedy = (
                'register it with persistent=False, if it is a constant'
                if buffer
                else 'weights have to be finite when a run begins'
            )
            raise ConfigError(
                f'model {model!r}: {"buffer" if buffer else "parameter"} {one.names[0]!r} holds '
                f'{wrong[0].item():g}, values that are exchanged end at {MAX_VALUE:g}: {remedy}'
            )

    def _here(self) -> list[torch.Tensor]:
        """Return the tensors; a model may have been moved since."""
        found = self._model.state_dict()
        return [found[one.names[0]] for one in self.tensors]


def _tensors_of(model: nn.Module) -> tuple[StateTensor, ...]:
    parameters = dict(model.named_parameters(remove_duplicate=False))
    names: dict[tuple[int, ...], list[str]] = {}
    tensors: dict[tuple[int, ...], torch.Tensor] = {}
    for number, (name, tensor) in enumerate(model.state_dict().items()):
        if not isinstance(tensor, torch.Tensor):  # of get_extra_state
            continue
        if not (tensor.is_floating_point() or tensor.is_complex()):
            continue
        # Empty tensors have no place in memory that could tell them apart.
        place = (tensor.data_ptr(), tensor.numel()) if tensor.numel() else (0, -number)
        names.setdefault(place, []).append(name)
        tensors.setdefault(place, tensor)
    return tuple(
        StateTensor(
            names=tuple(names[place]),
            dtype=str(tensor.dtype).removeprefix('torch.'),
            shape=tuple(tensor.shape),
            role=_role(names[place], parameters),
            values=_numbers(tensor).numel(),
        )
        for place, tensor in tensors.items()
    )


def _role(names: list[str], parameters: dict[str, nn.Parameter]) -> StateRole:
    ours = [parameters[name] for name in names if name in parameters]
    if not ours:
        return StateRole.STATISTICS
    trained = any(parameter.requires_grad for parameter in ours)
    return StateRole.TRAINED if trained else StateRole.FROZEN


def as_real(tensor: torch.Tensor) -> torch.Tensor:
    """Return the same memory; complex values as pairs of numbers, [..., 2]."""
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor


def _numbers(tensor: torch.Tensor) -> torch.Tensor:
    return as_real(tensor).reshape(-1)
