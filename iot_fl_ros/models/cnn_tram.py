"""The nets of the Tram-FL paper (arXiv 2610.07859). GroupNorm and dropout, no BatchNorm: batch
statistics of one robot's classes would travel to the next robot, which has others.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import nn

_GROUPS = 32


def tram_mnist_cnn(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """The MNIST net: 1,199,882 parameters for 1x28x28 and 10 classes. He initialisation."""
    features = nn.Sequential(
        nn.Conv2d(input_shape[0], 32, 3), nn.ReLU(),
        nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
        nn.Flatten(),
    )  # fmt: skip
    width = _width(features, input_shape)
    return _he(
        nn.Sequential(
            *features, nn.Linear(width, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, classes)
        )
    )


def tram_cifar_cnn(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """The CIFAR-10 net: 2,168,746 parameters for 3x32x32 and 10 classes. He initialisation."""
    layers: list[nn.Module] = []
    for pair in ((input_shape[0], 32, 32), (32, 64, 64)):
        for before, after in pairwise(pair):
            layers += [nn.Conv2d(before, after, 3, padding=1)]
            layers += [nn.GroupNorm(_GROUPS, after), nn.ReLU()]
        layers += [nn.MaxPool2d(2), nn.Dropout(0.25)]
    features = nn.Sequential(*layers, nn.Flatten())
    width = _width(features, input_shape)
    return _he(
        nn.Sequential(
            *features, nn.Linear(width, 512), nn.ReLU(), nn.Dropout(0.5), nn.Linear(512, classes)
        )
    )


def _he(model: nn.Sequential) -> nn.Sequential:
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity='relu')
            assert module.bias is not None
            nn.init.zeros_(module.bias)
    return model


def _width(features: nn.Sequential, input_shape: tuple[int, ...]) -> int:
    """Return the length of the flattened features of one sample."""
    with torch.no_grad():
        return math.prod(features(torch.zeros(1, *input_shape)).shape[1:])
