"""Methods and models for benchmarks: robots send back what they got, nobody trains."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from iot_fl_ros.core.tensors import Tensors
from iot_fl_ros.learning.dsfl import DsFl
from iot_fl_ros.learning.fedavg import FedAvg
from iot_fl_ros.learning.labels import encode_labels
from iot_fl_ros.learning.method import Party


class EchoWeights(FedAvg):
    """FedAvg without training."""

    def adopt(self, party: Party, tensors: Tensors, round: int) -> None:
        """Keep the weights."""
        self._kept = tensors

    def train(self, party: Party, round: int) -> tuple[Tensors, float]:
        """Send back the weights."""
        return self._kept, 0.0


class EchoLabels(DsFl):
    """DS-FL without training and prediction."""

    def adopt(self, party: Party, tensors: Tensors, round: int) -> None:
        """Keep the labels."""
        self._kept = tensors['labels']

    def train(self, party: Party, round: int) -> tuple[Tensors, float]:
        """Send back the labels; in round 1, equal probabilities."""
        spec = self.global_specs()[0]
        labels = getattr(self, '_kept', None)
        if labels is None:
            equal = np.full(spec.shape, 1 / spec.shape[1], np.float32)
            labels = encode_labels(equal, spec.dtype)
        return {'labels': labels, 'distances': np.zeros(spec.shape[0], np.uint8)}, 0.0


class Vector(nn.Module):
    """A model of `size` parameters whose use costs nothing."""

    def __init__(self, size: int, classes: int) -> None:
        super().__init__()
        self.vector = nn.Parameter(torch.zeros(size))
        self._classes = classes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return equal logits."""
        return self.vector[:1].expand(len(x), self._classes)


def vector_50k(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """0.05 M parameters."""
    return Vector(50_000, classes)


def vector_1660k(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """1.66 M parameters."""
    return Vector(1_660_000, classes)


def vector_10m(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """10 M parameters."""
    return Vector(10_000_000, classes)
