"""Weights in the order of memory in which convolutions on CPU run fastest."""

from __future__ import annotations

import torch
from torch import nn


def use_channels_last(model: nn.Module) -> bool:
    """Put the weights of 2-D convolutions channels last; return whether there are any.

    `Module.to` would do the same for all weights, and fails for those of 3-D convolutions.
    """
    tensors = [one for one in (*model.parameters(), *model.buffers()) if one.ndim == 4]
    for one in tensors:
        one.data = one.data.to(memory_format=torch.channels_last)
    return any(one.ndim == 4 for one in model.parameters())
