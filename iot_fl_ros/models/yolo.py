"""YOLOv3-tiny (Redmon and Farhadi 2018, arXiv 1804.02767), a detector, with Darknet's layers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.models.graph import INPUT, Layer, LayerGraph

ANCHORS_PER_MAP = 3
OUTPUTS = ('layer15', 'layer22')
COCO_NAMES = (
    'person', 'bicycle', 'car', 'motorcycle', 'airplane', 'bus', 'train', 'truck', 'boat',
    'traffic light', 'fire hydrant', 'stop sign', 'parking meter', 'bench', 'bird', 'cat', 'dog',
    'horse', 'sheep', 'cow', 'elephant', 'bear', 'zebra', 'giraffe', 'backpack', 'umbrella',
    'handbag', 'tie', 'suitcase', 'frisbee', 'skis', 'snowboard', 'sports ball', 'kite',
    'baseball bat', 'baseball glove', 'skateboard', 'surfboard', 'tennis racket', 'bottle',
    'wine glass', 'cup', 'fork', 'knife', 'spoon', 'bowl', 'banana', 'apple', 'sandwich',
    'orange', 'broccoli', 'carrot', 'hot dog', 'pizza', 'donut', 'cake', 'chair', 'couch',
    'potted plant', 'bed', 'dining table', 'toilet', 'tv', 'laptop', 'mouse', 'remote',
    'keyboard', 'cell phone', 'microwave', 'oven', 'toaster', 'sink', 'refrigerator', 'book',
    'clock', 'vase', 'scissors', 'teddy bear', 'hair drier', 'toothbrush',
)  # fmt: skip
# Rows of the table below: what a layer does, its channels (or stride), and which layers it takes.
# layer16 and layer23 of Darknet decode the maps, layer17 only names layer13: they are not here.
_LAYERS: tuple[tuple[int, str, int, tuple[int, ...]], ...] = (
    (0, 'conv3', 16, (-1,)), (1, 'pool', 2, (0,)),
    (2, 'conv3', 32, (1,)), (3, 'pool', 2, (2,)),
    (4, 'conv3', 64, (3,)), (5, 'pool', 2, (4,)),
    (6, 'conv3', 128, (5,)), (7, 'pool', 2, (6,)),
    (8, 'conv3', 256, (7,)), (9, 'pool', 2, (8,)),
    (10, 'conv3', 512, (9,)), (11, 'pool', 1, (10,)),
    (12, 'conv3', 1024, (11,)),
    (13, 'conv1', 256, (12,)),
    (14, 'conv3', 512, (13,)), (15, 'map', 0, (14,)),
    (18, 'conv1', 128, (13,)), (19, 'upsample', 2, (18,)),
    (20, 'concat', 0, (19, 8)),
    (21, 'conv3', 256, (20,)), (22, 'map', 0, (21,)),
)  # fmt: skip


def yolov3_tiny(input_shape: tuple[int, ...], classes: int) -> LayerGraph:
    """8,852,366 parameters for three channels and 80 classes; made for 3x416x416.

    Height and width are multiples of 32. It returns two maps, [N, 3 * (5 + classes), H/32, W/32]
    and the same of H/16, W/16, which `iot_fl_ros.models.yolo_boxes.decode` makes into boxes.
    `layer7` is the last cut that sends one small tensor: layer20 takes layer8.
    """
    channels = {-1: input_shape[0]}
    layers = []
    for number, kind, amount, sources in _LAYERS:
        before = sum(channels[source] for source in sources)
        after = {'map': ANCHORS_PER_MAP * (5 + classes)}.get(kind, amount)
        channels[number] = after if kind in ('conv1', 'conv3', 'map') else before
        inputs = tuple(INPUT if source < 0 else f'layer{source}' for source in sources)
        layers.append(Layer(f'layer{number}', _module(kind, before, after), inputs))
    return LayerGraph(layers, OUTPUTS)


def load_darknet(model: nn.Module, values: NDArray[np.float32]) -> None:
    """Put the weights of a Darknet file, without its header, into `model`.

    values: per convolution its biases, then scales, means and variances if normalised, then its
    kernels. DataError if there are more or fewer than the model holds.
    """
    targets = list(_darknet_order(model))
    needed = sum(target.numel() for target in targets)
    if values.size != needed:
        raise DataError(f'the weights are {values.size} numbers: this model holds {needed}')
    start = 0
    with torch.no_grad():
        for target in targets:
            part = np.array(values[start : start + target.numel()], np.float32)
            target.copy_(torch.from_numpy(part).reshape(target.shape))
            start += target.numel()


def _darknet_order(model: nn.Module) -> Iterator[torch.Tensor]:
    modules = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
    for module, following in zip(modules, [*modules[1:], None], strict=True):
        if not isinstance(module, nn.Conv2d):
            continue
        if isinstance(following, nn.BatchNorm2d):
            yield following.bias
            yield following.weight
            for statistics in (following.running_mean, following.running_var):
                if statistics is not None:
                    yield statistics
        elif module.bias is not None:
            yield module.bias
        yield module.weight


def _module(kind: str, before: int, after: int) -> nn.Module:
    if kind == 'map':
        return nn.Conv2d(before, after, 1)
    if kind == 'pool':
        return _pool(stride=after)
    if kind == 'upsample':
        return nn.Upsample(scale_factor=after, mode='nearest')
    if kind == 'concat':
        return _Concat()
    side = int(kind.removeprefix('conv'))
    conv = nn.Conv2d(before, after, side, padding=side // 2, bias=False)
    layers = OrderedDict(conv=conv, bn=nn.BatchNorm2d(after), leaky=nn.LeakyReLU(0.1))
    return nn.Sequential(layers)


def _pool(stride: int) -> nn.Module:
    if stride > 1:
        return nn.MaxPool2d(2, stride, ceil_mode=True)
    # Same size as before: Darknet pads right and below with what never is the maximum.
    return nn.Sequential(nn.ConstantPad2d((0, 1, 0, 1), -torch.inf), nn.MaxPool2d(2, 1))


class _Concat(nn.Module):
    """Joins maps along their channels."""

    def forward(self, *maps: torch.Tensor) -> torch.Tensor:
        return torch.cat(maps, dim=1)
