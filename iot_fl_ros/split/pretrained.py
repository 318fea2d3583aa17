"""Trained models that are ready to be cut, with what belongs to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from iot_fl_ros.core.config import refuse_unknown
from iot_fl_ros.data.pictures import ImageInput
from iot_fl_ros.data.weights import (
    efficientnet_lite0_weights,
    imagenet_class_names,
    yolov3_tiny_weights,
)
from iot_fl_ros.models.efficientnet_lite import load_published
from iot_fl_ros.models.registry import build_model
from iot_fl_ros.models.yolo import COCO_NAMES, load_darknet


@dataclass(frozen=True)
class Pretrained:
    """A trained model in evaluation mode.

    input: how it wants its pictures; task: `classification` (logits [N, classes]) or `detection`
    (maps for `iot_fl_ros.models.yolo.decode`); split_point: a sensible layer to cut behind.
    """

    model: nn.Module
    input: ImageInput
    class_names: tuple[str, ...]
    task: str
    split_point: str


def load_pretrained(name: str) -> Pretrained:
    """Return the trained model called `name`; its weights are fetched once and cached.

    ConfigError with the nearest name if there is none; DataError if its weights are not to be had.
    """
    refuse_unknown([name], PRETRAINED, 'trained model')
    return PRETRAINED[name]()


def _efficientnet_lite0() -> Pretrained:
    """ImageNet classifier; `block5` sends 80x14x14 numbers, less than any layer before it."""
    # TensorFlow's (value - 127) / 128, in terms of 0..1.
    pictures = ImageInput((3, 224, 224), 'crop', (127 / 255,) * 3, (128 / 255,) * 3)
    weights, names = efficientnet_lite0_weights(), imagenet_class_names()
    model = build_model('efficientnet_lite0', pictures.shape, len(names), seed=0)
    load_published(model, weights)
    return Pretrained(model.eval(), pictures, names, 'classification', 'block5')


def _yolov3_tiny() -> Pretrained:
    """COCO detector; `layer7` sends 128x26x26 numbers, behind it two tensors are needed."""
    pictures = ImageInput((3, 416, 416), 'letterbox', (0.0,) * 3, (1.0,) * 3)
    weights = yolov3_tiny_weights()['darknet']
    model = build_model('yolov3_tiny', pictures.shape, len(COCO_NAMES), seed=0)
    load_darknet(model, weights)
    return Pretrained(model.eval(), pictures, COCO_NAMES, 'detection', 'layer7')


PRETRAINED: dict[str, Callable[[], Pretrained]] = {
    'efficientnet_lite0': _efficientnet_lite0,
    'yolov3_tiny': _yolov3_tiny,
}
