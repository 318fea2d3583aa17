"""Models of text."""

from __future__ import annotations

import math

import torch
from torch import nn

_HIDDEN = 256


def bow_mlp(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Bag of words, one hidden layer: 1,285,908 parameters for 5,000 words and 20 classes."""
    words = math.prod(input_shape)
    return nn.Sequential(
        _Frequencies(), nn.Linear(words, _HIDDEN), nn.BatchNorm1d(_HIDDEN), nn.ReLU(),
        nn.Linear(_HIDDEN, classes),
    )  # fmt: skip


class _Frequencies(nn.Module):
    """Make counts of words, which come as 0..1, into vectors of length 1 of log(1 + count)."""

    def forward(self, counts: torch.Tensor) -> torch.Tensor:
        """Return [N, words]."""
        logs = torch.log1p(counts.flatten(1) * 255)
        return nn.functional.normalize(logs, dim=1)
