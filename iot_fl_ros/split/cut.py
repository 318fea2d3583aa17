"""Cutting a model in two behind a named layer, and a learned bottleneck at the cut.

With it fewer channels cross, made and undone by 1x1 convolutions.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from iot_fl_ros.core.config import refuse_unknown
from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.models.graph import INPUT, Layer, LayerGraph, as_graph

ENCODE, DECODE = 'bottleneck.encode', 'bottleneck.decode'


@dataclass(frozen=True)
class Cut:
    """Head and tail of one model; they share its modules.

    crossing: names of the layers whose outputs the tail takes. `tail(*head(x))` computes exactly
    what the model computes.
    """

    head: LayerGraph
    tail: LayerGraph
    crossing: tuple[str, ...]

    def features(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return what crosses the cut for a batch, one tensor [N, ...] per crossing layer."""
        result = self.head(x)
        return (result,) if isinstance(result, torch.Tensor) else result


def cut(model: nn.Module, split_point: str) -> Cut:
    """Cut `model` behind the layer called `split_point`.

    A skip connection that crosses the cut is part of what crosses. ConfigError if there is no
    such layer, nothing behind it, or the tail would need the model's own input.
    """
    graph = as_graph(model)
    refuse_unknown([split_point], graph.names, 'split point')
    layers = list(graph.layers())
    index = graph.names.index(split_point) + 1
    if index == len(layers):
        raise ConfigError(f'nothing is left behind {split_point!r}: cut at an earlier layer')
    needed = {name for layer in layers[index:] for name in layer.inputs} | set(graph.outputs)
    if INPUT in needed:
        raise ConfigError(f'behind {split_point!r} the model takes its own input: cut elsewhere')
    crossing = tuple(name for name in graph.names[:index] if name in needed)
    tail = LayerGraph(layers[index:], graph.outputs, crossing)
    return Cut(LayerGraph(layers[:index], crossing), tail, crossing)


def split_points(model: nn.Module) -> list[str]:
    """Return the names of the layers behind which `model` can be cut."""
    points = []
    for name in as_graph(model).names[:-1]:
        with suppress(ConfigError):
            cut(model, name)
            points.append(name)
    return points


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
    instead = {name: DECODE}
    tail = [
        Layer(layer.name, layer.module, tuple(instead.get(one, one) for one in layer.inputs))
        for layer in cut.tail.layers()
    ]
    outputs = [instead.get(output, output) for output in cut.tail.outputs]
    head = LayerGraph([*cut.head.layers(), encode], (ENCODE,))
    return Cut(head, LayerGraph([decode, *tail], outputs, (ENCODE,)), (ENCODE,))


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
        for module, weight, bias in ((encode, basis, -basis @ mean), (decode, basis.T, mean)):
            module.weight.copy_(torch.from_numpy(weight.copy())[:, :, None, None])
            module.bias.copy_(torch.from_numpy(bias))  # type: ignore[union-attr]
