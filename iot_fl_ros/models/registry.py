"""Models by name. A factory takes (input_shape, classes) and returns a torch Module of logits."""

from __future__ import annotations

import threading
from collections.abc import Callable

import torch
from torch import nn

from iot_fl_ros.core.errors import ConfigError, IotFlError, PluginError, one_line
from iot_fl_ros.core.registry import Registry

Factory = Callable[[tuple[int, ...], int], nn.Module]

MODELS = Registry(
    'model',
    'iot_fl_ros.models',
    {
        'bow_mlp': 'iot_fl_ros.models.cnn:bow_mlp',
        'compact_cnn': 'iot_fl_ros.models.cnn:compact_cnn',
        'comtune_small': 'iot_fl_ros.models.cnn_comtune:comtune_small',
        'comtune_vgg': 'iot_fl_ros.models.cnn_comtune:comtune_vgg',
        'efficientnet_lite0': 'iot_fl_ros.models.efficientnet_lite:efficientnet_lite0',
        'mlp': 'iot_fl_ros.models.cnn:mlp',
        'resnet8': 'iot_fl_ros.models.resnet:resnet8',
        'resnet20': 'iot_fl_ros.models.resnet:resnet20',
        'small_mlp': 'iot_fl_ros.models.cnn:small_mlp',
        'small_cnn': 'iot_fl_ros.models.cnn:small_cnn',
        'dsfl_mnist_cnn': 'iot_fl_ros.models.cnn:dsfl_mnist_cnn',
        'dsfl_fashion_cnn': 'iot_fl_ros.models.cnn:dsfl_fashion_cnn',
        'tram_cifar_cnn': 'iot_fl_ros.models.cnn:tram_cifar_cnn',
        'tram_mnist_cnn': 'iot_fl_ros.models.cnn:tram_mnist_cnn',
        'yolov3_tiny': 'iot_fl_ros.models.yolo:yolov3_tiny',
    },
)
# The weights come from torch's global random state, which the threads of a process share.
_RANDOM_STATE = threading.Lock()


def build_model(name: str, input_shape: tuple[int, ...], classes: int, seed: int) -> nn.Module:
    """Build the model called `name` with weights drawn from `seed`, without other side effects.

    PluginError if its factory fails, or returns something else.
    """
    factory: Factory = MODELS.get(name)
    with _RANDOM_STATE, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            model = factory(input_shape, classes)
        except IotFlError:
            raise
        except Exception as error:  # whatever a factory of somebody else's may raise
            text = f'samples {input_shape} and {classes} classes: {_line(error)}'
            raise PluginError(f'model {name!r} cannot be built for {text}') from error
    if not isinstance(model, nn.Module):
        raise PluginError(
            f'model {name!r} is no factory of models: called with (input_shape, classes) it '
            f'returned {type(model).__name__}'
        )
    return model


def build_classifier(
    name: str, input_shape: tuple[int, ...], classes: int, seed: int
) -> nn.Module:
    """Build a model as `build_model` does; ConfigError unless it gives logits [N, classes]."""
    model = build_model(name, input_shape, classes, seed)
    training = model.training
    try:
        with torch.no_grad():
            output = model.eval()(torch.zeros(1, *input_shape, dtype=input_dtype(model)))
    except Exception as error:  # as above
        raise PluginError(
            f'model {name!r} does not take samples {input_shape}: {_line(error)}'
        ) from error
    if not isinstance(output, torch.Tensor) or output.shape != (1, classes):
        raise ConfigError(f'model {name!r} does not give logits of {classes} classes')
    return model.train(training)


def input_dtype(model: nn.Module) -> torch.dtype:
    """Return the precision of a model's inputs: that of its weights, if all have the same."""
    dtypes = {one.dtype for one in model.parameters() if one.is_floating_point()}
    return dtypes.pop() if len(dtypes) == 1 else torch.float32


def _line(error: Exception) -> str:
    """Return an exception in one line of bearable length."""
    return f'{type(error).__name__}: {one_line(error)[:300]}'


def parameter_count(model: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
