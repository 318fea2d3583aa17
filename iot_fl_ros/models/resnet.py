"""Residual nets for small images (He et al. 2015, arXiv 1512.03385, section 4.2)."""

from __future__ import annotations

import torch
from torch import nn

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.models.graph import INPUT, Layer, LayerGraph

_WIDTHS = (16, 32, 64)


def resnet8(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Seven convolutions and a dense layer: 75,290 parameters for 3x32x32 and 10 classes."""
    return cifar_resnet(8, input_shape, classes)


def resnet20(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Nineteen convolutions and a dense layer: 269,722 parameters for 3x32x32, 10 classes."""
    return cifar_resnet(20, input_shape, classes)


def cifar_resnet(depth: int, input_shape: tuple[int, ...], classes: int) -> LayerGraph:
    """Return the net of 6n + 2 = `depth` weighted layers; it returns logits.

    Shortcuts have no weights (the paper's option A). Every sum is a layer of two inputs, so a cut
    inside a block (`stage2.block1.conv1`) sends the skip too; `stage1.block1.relu2` and the like
    send one tensor. ConfigError if the depth is another.
    """
    count, rest = divmod(depth - 2, 6)
    if rest or count < 1:
        raise ConfigError(f'depth is {depth}: 6n + 2 is needed, such as 8, 20 or 56')
    layers = _Chain(INPUT)
    layers.add('stem.conv', _conv(input_shape[0], _WIDTHS[0]))
    layers.add('stem.bn', nn.BatchNorm2d(_WIDTHS[0]))
    layers.add('stem.relu', nn.ReLU())
    channels = _WIDTHS[0]
    for stage, width in enumerate(_WIDTHS, start=1):
        for block in range(1, count + 1):
            _add_block(layers, f'stage{stage}.block{block}', channels, width)
            channels = width
    layers.add('pool', nn.AdaptiveAvgPool2d(1))
    layers.add('flatten', nn.Flatten())
    layers.add('logits', nn.Linear(channels, classes))
    return LayerGraph(layers.layers, (layers.last,))


class _Chain:
    """Collects layers; each takes the one before it unless told otherwise."""

    def __init__(self, source: str) -> None:
        self.layers: list[Layer] = []
        self.last = source

    def add(self, name: str, module: nn.Module, *inputs: str) -> None:
        self.layers.append(Layer(name, module, inputs or (self.last,)))
        self.last = name


class _Sum(nn.Module):
    """The sum of a block's branch and its shortcut."""

    def forward(self, branch: torch.Tensor, shortcut: torch.Tensor) -> torch.Tensor:
        return branch + shortcut


class _Shortcut(nn.Module):
    """Every second pixel, and zeros for the channels that are new (option A)."""

    def __init__(self, added_channels: int) -> None:
        super().__init__()
        self._added = added_channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, self._added))


def _add_block(layers: _Chain, name: str, channels: int, width: int) -> None:
    narrower = channels != width
    before = shortcut = layers.last
    if narrower:
        # First, so that a cut inside the block sends the shortcut, half of what it takes.
        shortcut = f'{name}.shortcut'
        layers.add(shortcut, _Shortcut(width - channels))
    layers.add(f'{name}.conv1', _conv(channels, width, stride=1 + narrower), before)
    layers.add(f'{name}.bn1', nn.BatchNorm2d(width))
    layers.add(f'{name}.relu1', nn.ReLU())
    layers.add(f'{name}.conv2', _conv(width, width))
    layers.add(f'{name}.bn2', nn.BatchNorm2d(width))
    layers.add(f'{name}.sum', _Sum(), layers.last, shortcut)
    layers.add(f'{name}.relu2', nn.ReLU())


def _conv(channels: int, width: int, stride: int = 1) -> nn.Conv2d:
    conv = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode='fan_out', nonlinearity='relu')
    return conv
