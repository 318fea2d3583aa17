"""A trained model as a file that others can load: named tensors, and how to build the model.

safetensors.torch.load_model(model, path) fills a model of the same kind; the header of the file
says which one that is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save
from torch import nn

from iot_fl_ros.core.errors import DataError, one_line
from iot_fl_ros.core.store import write_durably

FILE = 'model.safetensors'


def model_facts(
    name: str, shape: Sequence[int], class_names: Sequence[str], run_id: str
) -> dict[str, str]:
    """Return what the header of a file says of a model; every value but names is JSON."""
    return {
        'model': name,
        'input_shape': json.dumps(list(shape)),
        'class_names': json.dumps(list(class_names)),
        'run_id': run_id,
    }


def write_model(model: nn.Module, facts: dict[str, str], path: Path) -> None:
    """Write all tensors of a model by name; never half of them.

    As load_model expects it, tensors in the same memory are there once, by the name of one that
    fills it, and the header says so of the others.
    DataError for a type of numbers that the file cannot hold, OSError if writing fails.
    """
    try:
        tensors, others = _tensors_of(model)
        content = save(tensors, {**others, **facts})
    except KeyError as error:
        raise DataError(f'the model cannot be saved: safetensors does not know {error}') from error
    # Of sparse tensors, those without values, layers that are not built yet.
    except (SafetensorError, RuntimeError, NotImplementedError, ValueError) as error:
        raise DataError(f'the model cannot be saved: {one_line(error)}') from error
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, content)


def _tensors_of(model: nn.Module) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Return tensors by name, none in memory of another; and names of others, with whose it is."""
    state = {n: t for n, t in model.state_dict().items() if isinstance(t, torch.Tensor)}
    fills: dict[int, str] = {}
    plain_first = sorted(state.items(), key=lambda item: not item[1].is_contiguous())
    for name, tensor in plain_first:
        if _fills_memory(tensor):
            fills.setdefault(_memory(tensor), name)
    keepers = {name: fills.get(_memory(tensor), name) for name, tensor in state.items()}
    others = {name: keeper for name, keeper in keepers.items() if keeper != name}
    # Where nothing fills the memory, such as of parts of a constant, each gets some of its own.
    return {
        name: tensor.contiguous() if name in fills.values() else tensor.contiguous().clone()
        for name, tensor in state.items()
        if name not in others
    }, others


def _fills_memory(tensor: torch.Tensor) -> bool:
    repeated = any(s == 0 and n > 1 for s, n in zip(tensor.stride(), tensor.shape, strict=True))
    return (
        tensor.numel() > 0 and tensor.nbytes == tensor.untyped_storage().nbytes() and not repeated
    )


def _memory(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
