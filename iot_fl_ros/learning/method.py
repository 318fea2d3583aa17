"""What a federated method is: the contract between its maths and the machines that run it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages import RunInfo
from iot_fl_ros.core.tensors import Tensors, TensorSpec
from iot_fl_ros.data.samples import Samples
from iot_fl_ros.learning.learner import Learner

# Sums, squares and products of so large values are still finite in float32.
MAX_VALUE = 1e8


@dataclass(frozen=True)
class Update:
    """What one robot contributes to a round; `samples` is the size of its private set."""

    robot_id: str
    tensors: Tensors
    samples: int


@dataclass(frozen=True)
class GlobalSet:
    """The global tensors that came out of `round` (0 = before the first)."""

    round: int
    tensors: Tensors


@dataclass(frozen=True)
class Party:
    """Who computes: a robot or the aggregator, with its model and its view of the open set.

    prepared: what `Method.prepare` computed; made again after a restart.
    memory: what the method keeps from round to round; a part of the checkpoint.
    """

    id: str
    learner: Learner
    open_set: Samples | None
    prepared: dict[str, NDArray[Any]] = field(default_factory=dict)
    memory: dict[str, NDArray[Any]] = field(default_factory=dict)


class Method(ABC):
    """A federated method.

    The first half is its wire contract, in NumPy; the second half runs on a worker, with torch.
    A method object keeps no state (all of it is in the Party): the same calls give the same
    results.
    """

    Settings: ClassVar[type]
    # All robots need the architecture of the run, because weights are exchanged.
    shares_state: ClassVar[bool] = False
    needs_open_set: ClassVar[bool] = False
    # The aggregator has a model that learns, whose accuracy is that of the run.
    aggregator_learns: ClassVar[bool] = True
    # A global set is of use only to who has the sets before it: see `needs_since`.
    chained: bool = False

    def __init__(self, settings: Any, info: RunInfo) -> None:
        self.settings = settings
        self.info = info

    @abstractmethod
    def update_specs(self, round: int) -> tuple[TensorSpec, ...]:
        """Return the tensors of a robot's update of `round`; empty = the method sends none."""

    @abstractmethod
    def global_specs(self, round: int) -> tuple[TensorSpec, ...]:
        """Return the global tensors that come out of `round`; empty = the method sends none.

        Those of round 1 are the largest.
        """

    @abstractmethod
    def check_values(self, tensors: Tensors, round: int) -> None:
        """Raise MessageError if values of an update or of global tensors cannot be right."""

    def needs_since(self, round: int) -> int:
        """Return the oldest round whose global set the set of `round` builds upon (chained)."""
        return round

    def initial_global(self, state: NDArray[np.float32]) -> Tensors:
        """Return the tensors to send before round 1, given the initial model; default none."""
        return {}

    def prepare(self, party: Party) -> None:
        """Compute once what a robot needs in every round, into `party.prepared`."""
        return

    @abstractmethod
    def aggregate(self, party: Party, updates: Sequence[Update], round: int) -> Tensors:
        """Return the global tensors of `round`; `updates` is sorted by robot id, not empty.

        party: the aggregator, which has adopted all earlier sets.
        """

    @abstractmethod
    def adopt(self, party: Party, sets: Sequence[GlobalSet]) -> None:
        """Make the model of `party` learn from global sets, oldest first, not empty.

        More than one only if the method is chained.
        """

    @abstractmethod
    def train(self, party: Party, round: int) -> tuple[Tensors, float]:
        """Train a robot on its private samples; return its update and its mean loss, nats."""


def check_finite(tensors: Tensors) -> None:
    """Raise MessageError if a floating tensor holds NaN, infinity, or what no model holds."""
    for name, tensor in tensors.items():
        if tensor.dtype.kind == 'f' and not np.isfinite(tensor).all():
            raise MessageError('not finite', f'{name} holds NaN or infinity')
        wide = tensor.dtype.itemsize > 2  # float16 ends far below
        if tensor.dtype.kind == 'f' and wide and (np.abs(tensor) > MAX_VALUE).any():
            raise MessageError('out of range', f'{name} holds values beyond {MAX_VALUE:g}')
