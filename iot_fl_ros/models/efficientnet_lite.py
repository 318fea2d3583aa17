"""EfficientNet-Lite0: EfficientNet (Tan and Le 2019, arXiv 1905.11946) made for small machines.

As published with TensorFlow's TPU models: no squeeze-and-excitation, ReLU6 instead of swish.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from iot_fl_ros.core.errors import DataError, one_line

_STEM, _HEAD = 32, 1_280
# Per stage: blocks, kernel, stride of the first block, expansion, output channels (table 1).
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
# Our names of what the published weights call otherwise.
_STEM_NAMES = {'_conv_stem': 'stem.conv', '_bn0': 'stem.bn'}
_HEAD_NAMES = {'_conv_head': 'head.conv', '_bn1': 'head.bn', '_fc': 'logits'}
_BLOCK_NAMES = {
    '_expand_conv': 'expand.conv', '_bn0': 'expand.bn',
    '_depthwise_conv': 'depthwise.conv', '_bn1': 'depthwise.bn',
    '_project_conv': 'project.conv', '_bn2': 'project.bn',
}  # fmt: skip


def efficientnet_lite0(input_shape: tuple[int, ...], classes: int) -> nn.Sequential:
    """4,652,008 parameters for three channels and 1,000 classes; returns logits.

    It can be cut behind each of `block0` to `block15`; made for 3x224x224, where `block4` gives
    [N, 40, 28, 28] and `block10` [N, 112, 14, 14].
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers['stem'] = _convolution(input_shape[0], _STEM, 3, stride=2)
    channels, number = _STEM, 0
    for blocks, kernel, first_stride, expansion, width in _STAGES:
        for block in range(blocks):
            stride = first_stride if block == 0 else 1
            layers[f'block{number}'] = _Block(channels, width, kernel, stride, expansion)
            channels = width
            number += 1
    layers['head'] = _convolution(channels, _HEAD, 1)
    layers['pool'] = nn.AdaptiveAvgPool2d(1)
    layers['flatten'] = nn.Flatten()
    layers['dropout'] = nn.Dropout(0.2)
    layers['logits'] = nn.Linear(_HEAD, classes)
    return nn.Sequential(layers)


def load_published(model: nn.Module, weights: Mapping[str, NDArray[Any]]) -> None:
    """Put weights with the names of efficientnet-lite-pytorch into `model`.

    DataError if one is missing, left over or has another shape.
    """
    state = {_our_name(name): torch.from_numpy(np.array(v)) for name, v in weights.items()}
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise DataError(
            f'these weights are not of EfficientNet-Lite0: {one_line(error)}'
        ) from error


class _Block(nn.Module):
    """Inverted bottleneck (MBConv): widen, filter each channel, narrow, add the input."""

    def __init__(
        self, channels: int, width: int, kernel: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        inner = channels * expansion
        self.expand = _convolution(channels, inner, 1) if expansion > 1 else nn.Identity()
        self.depthwise = _convolution(inner, inner, kernel, stride, groups=inner)
        self.project = _convolution(inner, width, 1)[:2]  # not activated
        self._skips = stride == 1 and channels == width

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result = self.project(self.depthwise(self.expand(x)))
        return result + x if self._skips else result


class _SameConv(nn.Conv2d):
    """A strided convolution padded as TensorFlow's SAME: an odd pixel goes right and below."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        (top, bottom), (left, right) = (
            _same_padding(side, self.kernel_size[0], self.stride[0]) for side in x.shape[-2:]
        )
        return super().forward(nn.functional.pad(x, (left, right, top, bottom)))


def _same_padding(side: int, kernel: int, stride: int) -> tuple[int, int]:
    outputs = -(-side // stride)
    padding = max((outputs - 1) * stride + kernel - side, 0)
    return padding // 2, padding - padding // 2


def _convolution(
    channels: int, width: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    conv = (
        nn.Conv2d(channels, width, kernel, padding=kernel // 2, groups=groups, bias=False)
        if stride == 1
        else _SameConv(channels, width, kernel, stride, groups=groups, bias=False)
    )
    # The published momentum .99 and epsilon; torch counts the momentum the other way round.
    bn = nn.BatchNorm2d(width, eps=1e-3, momentum=0.01)
    return nn.Sequential(OrderedDict(conv=conv, bn=bn, relu=nn.ReLU6()))


def _our_name(name: str) -> str:
    head, *rest = name.split('.')
    if head != '_blocks':
        return '.'.join([{**_STEM_NAMES, **_HEAD_NAMES}.get(head, head), *rest])
    number, layer, *rest = rest
    return '.'.join([f'block{number}', _BLOCK_NAMES.get(layer, layer), *rest])
