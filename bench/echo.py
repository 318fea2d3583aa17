"""Methods and models for benchmarks: robots send back what they got, nobody trains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from iot_fl_ros.core.tensors import Tensors
from iot_fl_ros.methods.dsfl import DsFl
from iot_fl_ros.methods.fedavg import FedAvg
from iot_fl_ros.methods.method import GlobalSet, Participant


class EchoWeights(FedAvg):
    """FedAvg without training."""

    def adopt(self, participant: Participant, sets: Sequence[GlobalSet]) -> None:
        """Keep the weights."""
        participant.prepared.update(sets[-1].tensors)

    def train(self, participant: Participant, round: int) -> tuple[Tensors, float]:
        """Send back the weights."""
        return dict(participant.prepared), 0.0


class EchoLabels(DsFl):
    """DS-FL without training and prediction."""

    def prepare(self, participant: Participant) -> None:
        """Nothing to compare."""

    def adopt(self, participant: Participant, sets: Sequence[GlobalSet]) -> None:
        """Keep the labels."""
        participant.prepared.update(sets[-1].tensors)

    def train(self, participant: Participant, round: int) -> tuple[Tensors, float]:
        """Send back the labels; in round 1, equal ones."""
        samples = len(self.exchange.asked(round))
        labels = participant.prepared.get(
            'labels', np.full((samples, len(self.info.class_names)), 25)
        )
        return {'labels': labels.astype(np.uint8), 'distances': np.zeros(samples, np.uint8)}, 0.0


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
