"""The contract between the maths of a federated method and the machines that run it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.federation import RunInfo
from iot_fl_ros.core.tensors import MAX_VALUE, Tensors, TensorSpec
from iot_fl_ros.data.samples import Samples
from iot_fl_ros.exchange.open_round import Update

if TYPE_CHECKING:
    from iot_fl_ros.training.trainer import Trainer

# Updates, and what they count, by robot id.
Sets = Mapping[str, Tensors]
Weights = Mapping[str, float]


@dataclass(frozen=True)
class GlobalSet:
    """The global tensors that came out of `round` (0 = before the first)."""

    round: int
    tensors: Tensors


@dataclass(frozen=True)
class Participant:
    """A robot or the aggregator, with its model and its view of the open set.

    prepared: what `Method.prepare` computed; made again after a restart.
    memory: what the method keeps from round to round; a part of the checkpoint. probe: samples
    without labels on which disagreement can be measured; None = there are none.
    """

    id: str
    trainer: Trainer
    open_set: Samples | None
    prepared: dict[str, NDArray[Any]] = field(default_factory=dict)
    memory: dict[str, NDArray[Any]] = field(default_factory=dict)
    probe: Samples | None = None


class Method(ABC):
    """A federated method, with an aggregator (StarMethod), among neighbours (MeshMethod), or both.

    The first half is its wire contract, in NumPy; the second half runs on a worker, with torch.
    A method object keeps no state (all of it is in the Participant): the same calls give the same
    results.
    """

    Settings: ClassVar[type]
    # All robots need the architecture of the run, because weights are exchanged.
    shares_state: ClassVar[bool] = False
    needs_open_set: ClassVar[bool] = False

    def __init__(self, settings: Any, info: RunInfo) -> None:
        self.settings = settings
        self.info = info

    @abstractmethod
    def update_specs(self, round: int) -> tuple[TensorSpec, ...]:
        """Return the tensors of an update of `round`; empty = the method sends none."""

    @abstractmethod
    def check_values(self, tensors: Tensors, round: int) -> None:
        """Raise MessageError if values of an update or of global tensors cannot be right."""

    def prepare(self, participant: Participant) -> None:
        """Compute once what a robot needs in every round, into `participant.prepared`."""
        return

    @abstractmethod
    def train(self, participant: Participant, round: int) -> tuple[Tensors, float]:
        """Train a robot on its private samples; return its update and its mean loss, nats."""


class StarMethod(Method):
    """A method with an aggregator, which makes global tensors of the updates of a round."""

    # The aggregator has a model that learns, whose accuracy is that of the run.
    aggregator_learns: ClassVar[bool] = True
    # A global set needs the sets before it: see `needs_since`.
    chained: bool = False

    @abstractmethod
    def global_specs(self, round: int) -> tuple[TensorSpec, ...]:
        """Return the global tensors that come out of `round`; empty = the method sends none.

        Those of round 1 are the largest.
        """

    def needs_since(self, round: int) -> int:
        """Return the oldest round whose global set the set of `round` builds upon (chained)."""
        return round

    def initial_global(self, state: NDArray[np.float32]) -> Tensors:
        """Return the tensors to send before round 1, given the initial model; default none."""
        return {}

    @abstractmethod
    def aggregate(
        self, participant: Participant, updates: Sequence[Update], round: int
    ) -> Tensors:
        """Return the global tensors of `round`; `updates` is sorted by robot id, not empty.

        participant: the aggregator, which has adopted all earlier sets.
        """

    @abstractmethod
    def adopt(self, participant: Participant, sets: Sequence[GlobalSet]) -> None:
        """Make the model of `participant` learn from global sets, oldest first, not empty.

        More than one only if the method is chained.
        """


class MeshMethod(Method):
    """A method without a server: every peer makes one of its own update and its neighbours'."""

    @abstractmethod
    def mix(
        self, participant: Participant, own: Tensors, received: Sets, weights: Weights, round: int
    ) -> float:
        """Let the model learn from the updates of `round`; return the disagreement among them.

        own: the update that `train` returned, empty if it failed. weights: of every update, of the
        own one too; their sum is 1. Updates are added in the order of robot ids.
        """


def check_finite(tensors: Tensors) -> None:
    """Raise MessageError if a floating tensor holds NaN, infinity, or what no model holds."""
    for name, tensor in tensors.items():
        if tensor.dtype.kind == 'f' and not np.isfinite(tensor).all():
            raise MessageError('not finite', f'{name} holds NaN or infinity')
        wide = tensor.dtype.itemsize > 2  # float16 ends far below
        if tensor.dtype.kind == 'f' and wide and (np.abs(tensor) > MAX_VALUE).any():
            raise MessageError('out of range', f'{name} holds values beyond {MAX_VALUE:g}')


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
