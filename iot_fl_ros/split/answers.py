"""From a tail's outputs to answers that a robot can use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from iot_fl_ros.models.yolo_boxes import decode
from iot_fl_ros.split.bundle import Bundle

_MAX_DETECTIONS = 300


@dataclass(frozen=True, slots=True)
class AnswerSettings:
    """Contents of an answer: classes of a classifier, smallest score of a detection."""

    classes: int = 5
    threshold: float = 0.5


@dataclass(frozen=True, slots=True)
class Answer:
    """Best first. boxes: float32 [n, 4], shares 0..1 of the picture; [0, 4] for a classifier."""

    class_ids: NDArray[np.int64]
    scores: NDArray[np.float32]
    boxes: NDArray[np.float32]


def answers(
    bundle: Bundle,
    outputs: tuple[torch.Tensor, ...],
    sizes: Sequence[tuple[int, int]],
    settings: AnswerSettings,
) -> list[Answer]:
    """Return the answer for each frame of a batch.

    sizes: width and height of each picture as the camera took it.
    """
    if bundle.task == 'classification':
        return _classes(outputs[0], settings.classes)
    return [
        _detections(bundle, tuple(o[i : i + 1] for o in outputs), size, settings.threshold)
        for i, size in enumerate(sizes)
    ]


def _classes(logits: torch.Tensor, count: int) -> list[Answer]:
    best = logits.softmax(1).nan_to_num(0.0).topk(min(count, logits.shape[1]), dim=1)
    no_boxes = np.zeros((0, 4), np.float32)
    return [
        Answer(ids, scores, no_boxes)
        for ids, scores in zip(best.indices.numpy(), best.values.numpy(), strict=True)
    ]


def _detections(
    bundle: Bundle, outputs: tuple[torch.Tensor, ...], size: tuple[int, int], threshold: float
) -> Answer:
    found = decode(outputs, bundle.input.shape[1], threshold)
    boxes = bundle.input.to_source(found.boxes[:_MAX_DETECTIONS], *(max(1, n) for n in size))
    return Answer(found.classes[:_MAX_DETECTIONS], found.scores[:_MAX_DETECTIONS], boxes)
