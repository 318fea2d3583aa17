"""What a method of a mesh is: the contract between its maths and the peer that runs it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.messages import RunInfo
from iot_fl_ros.core.tensors import Tensors, TensorSpec
from iot_fl_ros.data.samples import Samples
from iot_fl_ros.learning.method import Party


@dataclass(frozen=True)
class PeerParty(Party):
    """A peer, with its model and its view of the open set.

    probe: samples without labels on which disagreement can be measured; None = there are none.
    """

    probe: Samples | None = None


class PeerMethod(ABC):
    """A method without a server: every peer makes one of its own update and its neighbours'.

    The first half is the wire contract, in NumPy; the second runs on a worker, with torch. A
    method object keeps no state: the same calls give the same results.
    """

    Settings: ClassVar[type]
    # All peers need the same architecture, because weights are exchanged.
    shares_state: ClassVar[bool] = False
    needs_open_set: ClassVar[bool] = False

    def __init__(self, settings: Any, info: RunInfo) -> None:
        self.settings = settings
        self.info = info

    @abstractmethod
    def update_specs(self, round: int) -> tuple[TensorSpec, ...]:
        """Return the tensors of an update of `round`; empty = nothing is exchanged."""

    @abstractmethod
    def check_values(self, tensors: Tensors, round: int) -> None:
        """Raise MessageError if values of an update cannot be right."""

    def prepare(self, party: PeerParty) -> None:
        """Compute once what is needed in every round, into `party.prepared`."""
        return

    @abstractmethod
    def train(self, party: PeerParty, round: int) -> tuple[Tensors, float]:
        """Train on the private samples; return the update and the mean loss, nats."""

    @abstractmethod
    def mix(
        self,
        party: PeerParty,
        own: Tensors,
        received: Mapping[str, Tensors],
        weights: Mapping[str, float],
        round: int,
    ) -> float:
        """Let the model learn from the updates of `round`; return the disagreement among them.

        own: the update that `train` returned, empty if it failed. weights: of every update, of the
        own one too; their sum is 1. Updates are added in the order of robot ids.
        """


def disagreement(
    predictions: Sequence[NDArray[np.float32]], masks: NDArray[np.bool_] | None = None
) -> float:
    """Return the mean over samples of (1/n) sum_i |p_i - mean|^2, n = who predicts the sample.

    predictions: probabilities [N, C] of each; masks [n, N]: which samples each predicts, None =
    all. NaN if no sample has two predictions.
    """
    stacked = np.stack(predictions).astype(np.float64)
    there = np.ones(stacked.shape[:2]) if masks is None else masks.astype(np.float64)
    count = there.sum(axis=0)
    several = count >= 2
    if not several.any():
        return math.nan
    stacked, there, count = stacked[:, several], there[:, several], count[several]
    mean = (there[:, :, None] * stacked).sum(axis=0) / count[:, None]
    squares = ((stacked - mean) ** 2).sum(axis=2)
    return float(((there * squares).sum(axis=0) / count).mean())
