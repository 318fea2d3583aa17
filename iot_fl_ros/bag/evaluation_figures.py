"""Figures of an evaluation, one row for each loss rate; agreement of detections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.bag.evaluation import Evaluation, LossRun
from iot_fl_ros.core.messages.split import Inference
from iot_fl_ros.split.jobs import Answer

# A box is found if another one of its class overlaps it so much (intersection over union).
SAME_OBJECT = 0.5


@dataclass
class BoxAgreement:
    """Objects of the reference, how many of them were found, and how many others were.

    overlaps: intersection over union of those found, added up.
    """

    objects: int = 0
    found: int = 0
    others: int = 0
    overlaps: float = 0.0

    def add(
        self, ids: Sequence[int], boxes: NDArray[np.float32], wanted_ids: Sequence[int],
        wanted_boxes: NDArray[np.float32],
    ) -> None:  # fmt: skip
        """Compare the detections of one picture with the wanted ones; boxes [n, 4]."""
        free = np.ones(len(ids), bool)
        classes = np.asarray(ids, int)
        for wanted, box in zip(wanted_ids, wanted_boxes, strict=True):
            iou = intersection_over_union(box, boxes) * free * (classes == wanted)
            if len(iou) and iou.max() >= SAME_OBJECT:
                self.found += 1
                self.overlaps += float(iou.max())
                free[int(iou.argmax())] = False
        self.objects += len(wanted_ids)
        self.others += int(free.sum())

    @property
    def overlap(self) -> float:
        """Mean overlap of the objects found, 0..1."""
        return self.overlaps / self.found if self.found else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of the share found and the share of right ones; 1 = nothing to find."""
        total = self.objects + self.found + self.others
        return 2 * self.found / total if total else 1.0


def intersection_over_union(
    box: NDArray[np.float32], others: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the overlap of `box` [4] with each of `others` [n, 4]; x1, y1, x2, y2."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1) + np.prod(box[2:] - box[:2])
    overlap: NDArray[np.float32] = shared / np.maximum(areas - shared, 1e-9)
    return overlap


@dataclass(frozen=True)
class LossFigures:
    """Figures of one loss rate.

    Shares are of all pictures: one without an answer counts as wrong. agreement: with the unsplit
    model; the same first class, or for detections the F1 of its objects. accuracy: of those whose
    label is known, None = there are none. objects, found, others, overlap: of detections, else
    None. packets_lost: None = not counted. latency: from stamp to answer, s; None = no answers.
    """

    loss: float
    pictures: int
    answered: float
    accuracy: float | None
    agreement: float
    objects: int | None
    found: int | None
    others: int | None
    overlap: float | None
    packets_lost: float | None
    features_received: float
    bytes_per_picture: float
    latency_p50: float | None
    latency_p99: float | None


def figures_of(evaluation: Evaluation) -> list[LossFigures]:
    """Return the figures of every loss rate, in order."""
    return [_figures(evaluation, run) for run in evaluation.runs]


def unsplit_accuracy(evaluation: Evaluation) -> float | None:
    """Return the share of labelled pictures that the unsplit model classifies rightly."""
    firsts = [_first(answer.class_ids) if answer else -1 for answer in evaluation.unsplit]
    return _accuracy(evaluation, firsts)


def _figures(evaluation: Evaluation, run: LossRun) -> LossFigures:
    count = len(evaluation.shown)
    answers = [run.answers.get(number) for number in range(count)]
    latencies = [answer.latency for answer in answers if answer]
    firsts = [_first(answer.class_ids) if answer else -1 for answer in answers]
    names = ('objects', 'found', 'others', 'overlap')
    detections: dict[str, Any] = dict.fromkeys(names)
    if evaluation.bundle.task == 'detection':
        boxes = _boxes(answers, evaluation.unsplit)
        agreement = boxes.f1
        detections = {name: getattr(boxes, name) for name in names}
    else:
        wanted = [_first(answer.class_ids) if answer else None for answer in evaluation.unsplit]
        agreement = _share([a == b for a, b in zip(firsts, wanted, strict=True)])
    lost = None
    if run.packets_sent is not None and run.packets_arrived is not None:
        lost = 1 - run.packets_arrived / run.packets_sent if run.packets_sent else 0.0
    return LossFigures(
        loss=run.loss,
        pictures=count,
        answered=len(latencies) / max(1, count),
        accuracy=_accuracy(evaluation, firsts),
        agreement=agreement,
        **detections,
        packets_lost=lost,
        features_received=float(np.mean([a.received for a in answers if a] or [0.0])),
        bytes_per_picture=run.bytes_sent / max(1, count),
        latency_p50=float(np.quantile(latencies, 0.5)) if latencies else None,
        latency_p99=float(np.quantile(latencies, 0.99)) if latencies else None,
    )


def _boxes(answers: Sequence[Inference | None], unsplit: Sequence[Answer | None]) -> BoxAgreement:
    agreement = BoxAgreement()
    for answer, wanted in zip(answers, unsplit, strict=True):
        if wanted is None:
            continue
        ids = answer.class_ids if answer else ()
        boxes = np.asarray(answer.boxes if answer else (), np.float32).reshape(-1, 4)
        agreement.add(ids, boxes, [int(i) for i in wanted.class_ids], wanted.boxes)
    return agreement


def _accuracy(evaluation: Evaluation, firsts: Sequence[int]) -> float | None:
    pairs = zip(firsts, evaluation.shown, strict=True)
    known = [first == shown.label for first, shown in pairs if shown.label >= 0]
    return _share(known) if known else None


def _first(ids: Any) -> int:
    return int(ids[0]) if len(ids) else -1


def _share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags) if flags else 0.0
