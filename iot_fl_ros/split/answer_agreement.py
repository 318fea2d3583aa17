"""Agreement of two answers about one picture, such as those of a split and an unsplit model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
        self,
        ids: Sequence[int],
        boxes: NDArray[np.float32],
        wanted_ids: Sequence[int],
        wanted_boxes: NDArray[np.float32],
    ) -> None:
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
