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
from safetensors.torch import save_model
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


class _TensorsOf:
    """The tensors of a model, as `save_model` asks for them: without what get_extra_state adds."""

    def __init__(self, model: nn.Module) -> None:
        self._state = model.state_dict()

    def state_dict(self) -> dict[str, torch.Tensor]:
        return {name: one for name, one in self._state.items() if isinstance(one, torch.Tensor)}


def write_model(model: nn.Module, facts: dict[str, str], path: Path) -> None:
    """Write all tensors of a model by name, those with several names once; never half of them.

    DataError for a type of numbers that the file cannot hold, OSError if writing fails.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + '.new')
    tensors: Any = _TensorsOf(model)
    try:
        save_model(tensors, str(temporary), dict(facts))
        write_durably(path, temporary.read_bytes())
    except KeyError as error:
        raise DataError(f'the model cannot be saved: safetensors does not know {error}') from error
    except SafetensorError as error:
        raise OSError(str(error)) from error
    finally:
        temporary.unlink(missing_ok=True)
