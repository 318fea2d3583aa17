"""Convolutional nets: the two of the DS-FL paper (arXiv 2008.06180) and a small one."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import nn


def small_cnn(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Two strided convolutions and a hidden layer: 55,338 parameters for 1x28x28, 10 classes."""
    features = nn.Sequential(
        nn.Conv2d(input_shape[0], 16, 3, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
        nn.Flatten(),
    )  # fmt: skip
    return nn.Sequential(
        *features, nn.Linear(_width(features, input_shape), 32), nn.ReLU(), nn.Linear(32, classes)
    )


def compact_cnn(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """One strided convolution, a wide hidden layer: 506,826 parameters for 1x28x28, 10 classes.

    As many weights to send as larger nets, at a fraction of their work: for studies on CPUs.
    """
    features = nn.Sequential(
        nn.Conv2d(input_shape[0], 32, 5, stride=4, padding=2), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Flatten(),
    )  # fmt: skip
    return nn.Sequential(*features, *_dense([_width(features, input_shape), 320], classes))


def mlp(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Two hidden layers of 200 and 100: 178,710 parameters for 1x28x28 and 10 classes."""
    return nn.Sequential(nn.Flatten(), *_dense([math.prod(input_shape), 200, 100], classes))


def small_mlp(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """One hidden layer of 32: 25,450 parameters for 1x28x28 and 10 classes, for many rounds."""
    width = math.prod(input_shape)
    return nn.Sequential(nn.Flatten(), nn.Linear(width, 32), nn.ReLU(), nn.Linear(32, classes))


def dsfl_mnist_cnn(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """DS-FL's MNIST net: 583,242 parameters for 1x28x28 and 10 classes."""
    features = nn.Sequential(
        nn.Conv2d(input_shape[0], 32, 5), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 5), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(),
    )  # fmt: skip
    return nn.Sequential(*features, *_dense([_width(features, input_shape), 512], classes))


def dsfl_fashion_cnn(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """DS-FL's Fashion-MNIST net: 2,760,228 parameters for 1x28x28 and 10 classes."""
    layers: list[nn.Module] = []
    channels = input_shape[0]
    for width, pool in (
        (32, False),
        (32, True),
        (64, False),
        (64, True),
        (128, False),
        (128, False),
    ):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if pool else []
        channels = width
    features = nn.Sequential(*layers, nn.Flatten())
    return nn.Sequential(*features, *_dense([_width(features, input_shape), 382, 192], classes))


def _dense(widths: list[int], classes: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()]
    return [*layers, nn.Linear(widths[-1], classes)]


def _width(features: nn.Sequential, input_shape: tuple[int, ...]) -> int:
    """Return the length of the flattened features of one sample."""
    with torch.no_grad():
        shape = features.eval()(torch.zeros(1, *input_shape)).shape
    features.train()
    return math.prod(shape[1:])
