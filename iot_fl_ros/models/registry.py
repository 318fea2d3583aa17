"""Models by name. A factory takes (input_shape, classes) and returns a torch Module of logits."""

from __future__ import annotations

import threading
from collections.abc import Callable

import torch
from torch import nn

from iot_fl_ros.core.errors import ConfigError
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
    """Build the model called `name` with weights drawn from `seed`, without other side effects."""
    factory: Factory = MODELS.get(name)
    with _RANDOM_STATE, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return factory(input_shape, classes)


def build_classifier(
    name: str, input_shape: tuple[int, ...], classes: int, seed: int
) -> nn.Module:
    """Build a model as `build_model` does; ConfigError unless it gives logits [N, classes]."""
    model = build_model(name, input_shape, classes, seed)
    training = model.training
    with torch.no_grad():
        output = model.eval()(torch.zeros(1, *input_shape))
    if not isinstance(output, torch.Tensor) or output.shape != (1, classes):
        raise ConfigError(f'model {name!r} does not give logits of {classes} classes')
    return model.train(training)


def parameter_count(model: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
