"""From the maps of YOLOv3 to boxes (arXiv 1804.02767, section 2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

# Width and height in px, per map: of the coarse one, then of the fine one. The published
# configuration gives the fine one (10, 14), (23, 27), (37, 58), but its weights were trained with
# these: with the others the boxes of persons and cars are half as wide and high as they are.
ANCHORS = (((81, 82), (135, 169), (344, 319)), ((23, 27), (37, 58), (81, 82)))
_OVERLAP = 0.45  # Darknet's: of two boxes of a class that share more, the better one stays


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
    outputs: Sequence[torch.Tensor],
    input_side: int,
    threshold: float = 0.5,
    overlap: float = _OVERLAP,
) -> Detections:
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
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    classes: NDArray[np.int64],
    overlap: float,
) -> NDArray[np.int64]:
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
