"""A learned bottleneck: fewer channels cross the cut, made and undone by 1x1 convolutions."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.models.graph import Layer, LayerGraph
from iot_fl_ros.split.cut import Cut

ENCODE, DECODE = 'bottleneck.encode', 'bottleneck.decode'


def with_bottleneck(cut: Cut, channels: int, kept: int) -> Cut:
    """Return `cut` with its one crossing tensor [N, channels, H, W] squeezed to `kept` channels.

    ConfigError if several tensors cross or kept is not less than channels.
    """
    if len(cut.crossing) != 1 or not 0 < kept < channels:
        raise ConfigError(
            f'a bottleneck of {kept} channels needs one crossing tensor of more channels; '
            f'{len(cut.crossing)} cross with {channels}'
        )
    name = cut.crossing[0]
    encode = Layer(ENCODE, nn.Conv2d(channels, kept, 1), (name,))
    decode = Layer(DECODE, nn.Conv2d(kept, channels, 1), (ENCODE,))
    tail = [_taking(layer, name, DECODE) for layer in cut.tail.layers()]
    outputs = [DECODE if output == name else output for output in cut.tail.outputs]
    return Cut(
        head=LayerGraph([*cut.head.layers(), encode], (ENCODE,)),
        tail=LayerGraph([decode, *tail], outputs, (ENCODE,)),
        crossing=(ENCODE,),
    )


def start_from_principal_channels(cut: Cut, features: NDArray[np.float32]) -> None:
    """Let the bottleneck begin as the best linear one: PCA over channels.

    features: what crossed the cut before there was a bottleneck, [frames, channels, H, W].
    """
    modules = {layer.name: layer.module for g in (cut.head, cut.tail) for layer in g.layers()}
    encode, decode = modules[ENCODE], modules[DECODE]
    assert isinstance(encode, nn.Conv2d)
    assert isinstance(decode, nn.Conv2d)
    rows = np.moveaxis(features, 1, -1).reshape(-1, features.shape[1]).astype(np.float64)
    mean = rows.mean(axis=0)
    _, vectors = np.linalg.eigh(np.cov(rows - mean, rowvar=False))
    basis = vectors[:, ::-1][:, : encode.out_channels].T
    with torch.no_grad():
        encode.weight.copy_(torch.from_numpy(basis.copy())[:, :, None, None])
        encode.bias.copy_(torch.from_numpy(-basis @ mean))  # type: ignore[union-attr]
        decode.weight.copy_(torch.from_numpy(basis.T.copy())[:, :, None, None])
        decode.bias.copy_(torch.from_numpy(mean))  # type: ignore[union-attr]


def _taking(layer: Layer, name: str, instead: str) -> Layer:
    inputs = tuple(instead if source == name else source for source in layer.inputs)
    return Layer(layer.name, layer.module, inputs)
