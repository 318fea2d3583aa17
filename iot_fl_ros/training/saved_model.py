"""A trained model as a file that others can load: named tensors, and how to build the model.

safetensors.torch.load_model(model, path) fills a model of the same kind; the header of the file
says which one that is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from safetensors.torch import save_model
from torch import nn

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

    OSError if it fails.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + '.tmp')
    try:
        save_model(model, str(temporary), dict(facts))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)  # it is in the way on a full disk
