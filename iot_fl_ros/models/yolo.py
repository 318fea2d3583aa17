"""YOLOv3-tiny (Redmon and Farhadi 2018, arXiv 1804.02767), with Darknet's layers; its boxes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
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
# Width and height in px, per map: of the coarse one, then of the fine one. The published
# configuration gives the fine one (10, 14), (23, 27), (37, 58), but its weights were trained with
# these: with the others the boxes of persons and cars are half as wide and high as they are.
ANCHORS = (((81, 82), (135, 169), (344, 319)), ((23, 27), (37, 58), (81, 82)))
_OVERLAP = 0.45  # Darknet's: of two boxes of a class that share more, the better one stays


def yolov3_tiny(input_shape: tuple[int, ...], classes: int) -> LayerGraph:
    """8,852,366 parameters for three channels and 80 classes; made for 3x416x416.

    Height and width are multiples of 32. It returns two maps, [N, 3 * (5 + classes), H/32, W/32]
    and the same of H/16, W/16, which `iot_fl_ros.models.yolo.decode` makes into boxes.
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
    if kind == 'pool' and after > 1:
        return nn.MaxPool2d(2, after, ceil_mode=True)
    if kind == 'pool':
        # Same size as before: Darknet pads right and below with what never is the maximum.
        return nn.Sequential(nn.ConstantPad2d((0, 1, 0, 1), -torch.inf), nn.MaxPool2d(2, 1))
    if kind == 'upsample':
        return nn.Upsample(scale_factor=after, mode='nearest')
    if kind == 'concat':
        return _Concat()
    side = int(kind.removeprefix('conv'))
    conv = nn.Conv2d(before, after, side, padding=side // 2, bias=False)
    layers = OrderedDict(conv=conv, bn=nn.BatchNorm2d(after), leaky=nn.LeakyReLU(0.1))
    return nn.Sequential(layers)


class _Concat(nn.Module):
    """Joins maps along their channels."""

    def forward(self, *maps: torch.Tensor) -> torch.Tensor:
        return torch.cat(maps, dim=1)


@dataclass(frozen=True)
class Detections:
    """Objects of one picture, best first.

    boxes: float32 [n, 4], x1, y1, x2, y2 as shares 0..1 of the network's input; scores: float32
    [n]; classes: int64 [n].
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int64]


def decode(
    outputs: Sequence[torch.Tensor], input_side: int, threshold: float = 0.5,
    overlap: float = _OVERLAP,
) -> Detections:  # fmt: skip
    """Return the objects that the maps of one picture show.

    outputs: the two maps of `yolov3_tiny`, [1, 3 * (5 + classes), S, S]; input_side: in px, to
    which the anchors relate; threshold: of objectness times class probability; overlap: share
    (intersection over union) above which two boxes of a class count as one object.
    """
    found = [
        _candidates(output.numpy(force=True), np.array(anchors) / input_side, threshold)
        for output, anchors in zip(outputs, ANCHORS, strict=True)
    ]
    boxes, scores, classes = (np.concatenate(parts) for parts in zip(*found, strict=True))
    kept = _best(boxes, scores, classes, overlap)
    return Detections(np.clip(boxes[kept], 0, 1), scores[kept], classes[kept])


def _candidates(
    output: NDArray[np.float32], anchors: NDArray[np.float64], threshold: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Return boxes, scores and classes of the cells of one map that reach the threshold."""
    pictures, channels, rows, columns = output.shape
    if pictures != 1:
        raise ValueError(f'the maps are of {pictures} pictures: decode one at a time')
    cells = output[0].reshape(len(anchors), channels // len(anchors), rows, columns)
    cells = cells.transpose(0, 2, 3, 1)  # anchor, row, column, value
    objectness = _sigmoid(cells[..., 4])
    anchor, row, column = np.nonzero(objectness >= threshold)  # a class can only lower it
    values = cells[anchor, row, column]
    classes = values[:, 5:].argmax(axis=1).astype(np.int64)
    best = np.take_along_axis(values[:, 5:], classes[:, np.newaxis], axis=1)[:, 0]
    scores = objectness[anchor, row, column] * _sigmoid(best)
    centres = (_sigmoid(values[:, :2]) + np.stack([column, row], axis=1)) / (columns, rows)
    halves = np.exp(np.minimum(values[:, 2:4], 10)) * anchors[anchor] / 2  # 10: never infinite
    boxes = np.concatenate([centres - halves, centres + halves], axis=1)
    kept = (scores >= threshold) & np.isfinite(boxes).all(axis=1)
    return boxes[kept].astype(np.float32), scores[kept].astype(np.float32), classes[kept]


def _best(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], classes: NDArray[np.int64],
    overlap: float,
) -> NDArray[np.int64]:  # fmt: skip
    """Return the indices of the boxes that stay, best first (non-maximum suppression)."""
    if not len(boxes):
        return np.zeros(0, np.int64)
    # Classes side by side, so that boxes of two classes do not overlap: OpenCV's own way of doing
    # this, NMSBoxesBatched, is missing in the 4.6 of Ubuntu 24.04.
    apart = np.stack([4.0 * classes, np.zeros(len(classes))], axis=1)
    corners_and_sizes = np.concatenate([boxes[:, :2] + apart, boxes[:, 2:] - boxes[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxes(corners_and_sizes.tolist(), scores.tolist(), 0.0, overlap)
    indices = np.asarray(kept, np.int64).reshape(-1)
    return indices[np.argsort(-scores[indices], kind='stable')]


def _sigmoid(x: NDArray[np.float32]) -> NDArray[np.float32]:
    # By tanh, which does not overflow.
    return 0.5 * (1 + np.tanh(0.5 * x))
