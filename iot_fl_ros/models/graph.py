"""Models as layers in order of execution, each saying whose outputs it takes.

Such a model can be cut behind any of its layers: what crosses the cut follows from the inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from iot_fl_ros.core.errors import ConfigError

# The name under which layers take what the model itself is given.
INPUT = 'input'


@dataclass(frozen=True)
class Layer:
    """One layer: `module` is called with the outputs of the layers called `inputs`, in order."""

    name: str
    module: nn.Module
    inputs: tuple[str, ...]


class LayerGraph(nn.Module):
    """Runs layers in order.

    inputs: names of the tensors that `forward` takes; outputs: names of those it returns (one:
    the tensor itself; several: a tuple).
    """

    def __init__(
        self, layers: Sequence[Layer], outputs: Sequence[str], inputs: Sequence[str] = (INPUT,)
    ) -> None:
        super().__init__()
        known = set(inputs)
        for layer in layers:
            if missing := set(layer.inputs) - known:
                raise ConfigError(f'layer {layer.name!r} takes {sorted(missing)}, not made before')
            if layer.name in known:
                raise ConfigError(f'two layers are called {layer.name!r}')
            known.add(layer.name)
        self.names = tuple(layer.name for layer in layers)
        self.layer_inputs = tuple(layer.inputs for layer in layers)
        self.modules_in_order = nn.ModuleList(layer.module for layer in layers)
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        # The index of the last layer that takes a tensor; outputs are kept to the end.
        self._last_use: dict[str, int] = {}
        for index, sources in enumerate(self.layer_inputs):
            self._last_use.update(dict.fromkeys(sources, index))
        self._last_use.update(dict.fromkeys(self.outputs, len(layers)))

    def forward(self, *values: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """Run all layers; a tensor is let go behind the last layer that takes it."""
        held = dict(zip(self.inputs, values, strict=True))
        for index, layer in enumerate(self.layers()):
            held[layer.name] = layer.module(*(held[source] for source in layer.inputs))
            for source in layer.inputs:
                if self._last_use[source] == index:
                    held.pop(source, None)
        results = tuple(held[name] for name in self.outputs)
        return results[0] if len(results) == 1 else results

    def layers(self) -> Iterator[Layer]:
        """Yield the layers in order."""
        yield from map(Layer, self.names, self.modules_in_order, self.layer_inputs)


def as_graph(model: nn.Module) -> LayerGraph:
    """Return a LayerGraph that shares the modules of `model`.

    A LayerGraph is returned as it is; a Sequential is flattened, its layers called by their
    dotted names (`features.3`). ConfigError for other modules, whose data flow is not declared.
    """
    if isinstance(model, LayerGraph):
        return model
    if not isinstance(model, nn.Sequential):
        raise ConfigError(
            f'{type(model).__name__} can not be cut: build it as torch.nn.Sequential, or declare '
            'its layers and their inputs as iot_fl_ros.models.graph.LayerGraph'
        )
    layers, before = [], INPUT
    for name, module in _flat(model, ''):
        layers.append(Layer(name, module, (before,)))
        before = name
    return LayerGraph(layers, (before,))


def _flat(model: nn.Sequential, prefix: str) -> Iterator[tuple[str, nn.Module]]:
    for name, module in model.named_children():
        if isinstance(module, nn.Sequential):
            yield from _flat(module, f'{prefix}{name}.')
        else:
            yield f'{prefix}{name}', module
