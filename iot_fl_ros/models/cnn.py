"""Plain nets: those of the DS-FL paper (arXiv 2008.06180) and of Tram-FL, and small ones.

Those of the Tram-FL paper (arXiv 2610.07859) have GroupNorm and dropout, no BatchNorm: batch
statistics of one robot's classes would travel to the next robot, which has others.
"""

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
    width = flat_width(features, input_shape)
    return nn.Sequential(*features, nn.Linear(width, 32), nn.ReLU(), nn.Linear(32, classes))


def compact_cnn(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """One strided convolution, a wide hidden layer: 506,826 parameters for 1x28x28, 10 classes.

    As many weights to send as larger nets, at a fraction of their work: for studies on CPUs.
    """
    features = nn.Sequential(
        nn.Conv2d(input_shape[0], 32, 5, stride=4, padding=2), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Flatten(),
    )  # fmt: skip
    return nn.Sequential(*features, *_dense([flat_width(features, input_shape), 320], classes))


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
    return nn.Sequential(*features, *_dense([flat_width(features, input_shape), 512], classes))


def dsfl_fashion_cnn(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """DS-FL's Fashion-MNIST net: 2,760,228 parameters for 1x28x28 and 10 classes."""
    layers: list[nn.Module] = []
    channels = input_shape[0]
    for width, pool in ((32, 0), (32, 1), (64, 0), (64, 1), (128, 0), (128, 0)):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if pool else []
        channels = width
    features = nn.Sequential(*layers, nn.Flatten())
    width = flat_width(features, input_shape)
    return nn.Sequential(*features, *_dense([width, 382, 192], classes))


def _dense(widths: list[int], classes: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()]
    return [*layers, nn.Linear(widths[-1], classes)]


def flat_width(features: nn.Sequential, input_shape: tuple[int, ...]) -> int:
    """Return the length of the flattened features of one sample."""
    with torch.no_grad():
        shape = features.eval()(torch.zeros(1, *input_shape)).shape
    features.train()
    return math.prod(shape[1:])


def bow_mlp(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Bag of words, one hidden layer: 1,285,908 parameters for 5,000 words and 20 classes."""
    return nn.Sequential(
        _Frequencies(), nn.Linear(math.prod(input_shape), 256), nn.BatchNorm1d(256), nn.ReLU(),
        nn.Linear(256, classes),
    )  # fmt: skip


class _Frequencies(nn.Module):
    """Make counts of words, which come as 0..1, into vectors of length 1 of log(1 + count)."""

    def forward(self, counts: torch.Tensor) -> torch.Tensor:
        """Return [N, words]."""
        logs = torch.log1p(counts.flatten(1) * 255)
        return nn.functional.normalize(logs, dim=1)


def tram_mnist_cnn(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Tram-FL's MNIST net: 1,199,882 parameters for 1x28x28 and 10 classes. He initialisation."""
    features = nn.Sequential(
        nn.Conv2d(input_shape[0], 32, 3), nn.ReLU(),
        nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
        nn.Flatten(),
    )  # fmt: skip
    return _tram(features, input_shape, 128, classes)


def tram_cifar_cnn(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Tram-FL's CIFAR-10 net: 2,168,746 parameters for 3x32x32, 10 classes. He initialisation."""
    layers: list[nn.Module] = []
    for pair in ((input_shape[0], 32, 32), (32, 64, 64)):
        for before, after in pairwise(pair):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.GroupNorm(32, after), nn.ReLU()]
        layers += [nn.MaxPool2d(2), nn.Dropout(0.25)]
    return _tram(nn.Sequential(*layers, nn.Flatten()), input_shape, 512, classes)


def _tram(
    features: nn.Sequential, input_shape: tuple[int, ...], hidden: int, classes: int
) -> nn.Sequential:
    with torch.no_grad():  # not in evaluation mode: weights depend on what dropout has drawn
        width = math.prod(features(torch.zeros(1, *input_shape)).shape[1:])
    model = nn.Sequential(
        *features, nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(0.5), nn.Linear(hidden, classes)
    )
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity='relu')
            assert module.bias is not None
            nn.init.zeros_(module.bias)
    return model
