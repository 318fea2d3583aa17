"""Cutting a model in two behind a named layer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from iot_fl_ros.core.config import refuse_unknown
from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.models.graph import INPUT, LayerGraph, as_graph


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
    refuse_unknown([split_point], graph.names)
    layers = list(graph.layers())
    index = graph.names.index(split_point) + 1
    if index == len(layers):
        raise ConfigError(f'nothing is left behind {split_point!r}: cut at an earlier layer')
    before = graph.names[:index]
    needed = {name for layer in layers[index:] for name in layer.inputs} | set(graph.outputs)
    if INPUT in needed:
        raise ConfigError(f'behind {split_point!r} the model takes its own input: cut elsewhere')
    crossing = tuple(name for name in before if name in needed)
    return Cut(
        head=LayerGraph(layers[:index], crossing),
        tail=LayerGraph(layers[index:], graph.outputs, crossing),
        crossing=crossing,
    )


def split_points(model: nn.Module) -> list[str]:
    """Return the names of the layers behind which `model` can be cut."""
    names = as_graph(model).names[:-1]
    return [name for name in names if _can_cut(model, name)]


def _can_cut(model: nn.Module, name: str) -> bool:
    try:
        cut(model, name)
    except ConfigError:
        return False
    return True
