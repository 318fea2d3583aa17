"""Nets for COMtune (arXiv 2112.09407): that of the authors' framework, and a small relative.

Both are sequences of named blocks, so that split points have names: `block2.pool` is the default
split of both.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise

from torch import nn

from iot_fl_ros.models.cnn import flat_width

# Per block: its width and, per convolution, whether batch normalisation follows. As in the model
# that the authors' framework ships (nishio-laboratory/split-computing-framework, model_COMtune).
_VGG_BLOCKS = (
    (64, (False, True)),
    (128, (False, True)),
    (256, (False, True, False)),
    (512, (True, False, True)),
    (512, (False, True, False)),
)


def comtune_vgg(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """VGG16-like net: 14,884,170 parameters for 3x32x32 and 10 classes; returns logits.

    `block2.pool` gives [N, 128, 8, 8] for 32x32 and [N, 128, 7, 7] for 28x28. Odd sides are
    rounded up when pooled, so that 28x28 lasts for five blocks.
    """
    blocks: OrderedDict[str, nn.Module] = OrderedDict()
    channels = input_shape[0]
    for number, (width, normalised) in enumerate(_VGG_BLOCKS, start=1):
        blocks[f'block{number}'] = _vgg_block(channels, width, normalised)
        channels = width
    return _with_dense(blocks, input_shape, [256, 128], classes)


def comtune_small(input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Four convolutions with batch normalisation, cheap on CPUs: 768,298 parameters for 3x32x32.

    `block2.pool` gives [N, 64, 8, 8] for 32x32 and [N, 64, 7, 7] for 28x28. Returns logits.
    """
    blocks: OrderedDict[str, nn.Module] = OrderedDict()
    channels = input_shape[0]
    for number, (width, pooled) in enumerate(
        ((32, True), (64, True), (128, False), (128, True)), start=1
    ):
        blocks[f'block{number}'] = _small_block(channels, width, pooled)
        channels = width
    return _with_dense(blocks, input_shape, [256], classes)


def _vgg_block(channels: int, width: int, normalised: tuple[bool, ...]) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number, with_bn in enumerate(normalised, start=1):
        layers[f'conv{number}'] = nn.Conv2d(channels, width, 3, padding=1)
        if with_bn:
            layers[f'bn{number}'] = nn.BatchNorm2d(width)
        layers[f'relu{number}'] = nn.ReLU()
        channels = width
    layers['pool'] = nn.MaxPool2d(2, ceil_mode=True)
    return nn.Sequential(layers)


def _small_block(channels: int, width: int, pooled: bool) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv=nn.Conv2d(channels, width, 3, padding=1, bias=False),
        bn=nn.BatchNorm2d(width),
        relu=nn.ReLU(),
    )
    if pooled:
        layers['pool'] = nn.MaxPool2d(2)
    return nn.Sequential(layers)


def _with_dense(
    blocks: OrderedDict[str, nn.Module], input_shape: tuple[int, ...], hidden: list[int],
    classes: int,
) -> nn.Sequential:  # fmt: skip
    widths = [flat_width(nn.Sequential(blocks), input_shape), *hidden]
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    for number, (before, after) in enumerate(pairwise(widths), start=1):
        layers[f'linear{number}'] = nn.Linear(before, after)
        layers[f'relu{number}'] = nn.ReLU()
    layers['logits'] = nn.Linear(widths[-1], classes)
    return nn.Sequential(OrderedDict(**blocks, dense=nn.Sequential(layers)))
