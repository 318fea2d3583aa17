"""A trained model as a file that others can load: named tensors, and how to build the model.

safetensors.torch.load_model(model, path) fills a model of the same kind; the header of the file
says which one that is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save
from torch import nn

from iot_fl_ros.core.errors import DataError
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
    """Write all tensors of a model by name, those with several names once; never half of them.

    DataError for a type of numbers that the file cannot hold, OSError if writing fails.
    """
    tensors: dict[str, torch.Tensor] = {}
    kept: dict[tuple[Any, ...], str] = {}
    facts = dict(facts)
    for name, tensor in model.state_dict().items():
        if not isinstance(tensor, torch.Tensor):  # of get_extra_state
            continue
        place = tensor.data_ptr(), tensor.shape, tensor.stride()
        if tensor.numel() and place in kept:
            facts.setdefault(name, kept[place])  # as safetensors notes it
            continue
        kept[place] = name
        tensors[name] = tensor.detach().cpu().contiguous().clone()
    try:
        content = save(tensors, facts)
    except (KeyError, SafetensorError) as error:
        raise DataError(f'the model cannot be saved: safetensors does not know {error}') from error
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, content)
