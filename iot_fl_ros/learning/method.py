"""What a federated method is: the contract between its maths and the machines that run it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages import RunInfo
from iot_fl_ros.core.tensors import Tensors, TensorSpec
from iot_fl_ros.data.samples import Samples
from iot_fl_ros.learning.learner import Learner


@dataclass(frozen=True)
class Update:
    """What one robot contributes to a round; `samples` is the size of its private set."""

    robot_id: str
    tensors: Tensors
    samples: int


@dataclass(frozen=True)
class Party:
    """Who computes: a robot or the aggregator, with its model and its view of the open set.

    familiar: scores of all open samples, or None; see `learning.familiarity`.
    """

    id: str
    learner: Learner
    open_set: Samples | None
    familiar: NDArray[np.float32] | None = None


class Method(ABC):
    """A federated method.

    The first half is its wire contract and its aggregation, in NumPy; the second half runs on a
    worker, with torch. Methods keep no state: the same calls give the same results.
    """

    Settings: ClassVar[type]
    # All robots need the architecture of the run, because weights are exchanged.
    shares_state: ClassVar[bool] = False
    needs_open_set: ClassVar[bool] = False
    needs_familiarity: bool = False

    def __init__(self, settings: Any, info: RunInfo) -> None:
        self.settings = settings
        self.info = info

    @abstractmethod
    def update_specs(self) -> tuple[TensorSpec, ...]:
        """Return the exact tensors of a robot's update; empty = the method sends none."""

    @abstractmethod
    def global_specs(self) -> tuple[TensorSpec, ...]:
        """Return the exact tensors that the aggregator sends; empty = the method sends none."""

    @abstractmethod
    def check_values(self, tensors: Tensors) -> None:
        """Raise MessageError if the values of an update or of global tensors cannot be right."""

    def initial_global(self, state: NDArray[np.float32]) -> Tensors:
        """Return the tensors to send before round 1, given the initial model; default none."""
        return {}

    @abstractmethod
    def aggregate(self, updates: Sequence[Update]) -> Tensors:
        """Return the global tensors of a round; `updates` is sorted by robot id, not empty."""

    @abstractmethod
    def adopt(self, party: Party, tensors: Tensors, round: int) -> None:
        """Make the model of `party` learn from the global tensors computed in `round`."""

    @abstractmethod
    def train(self, party: Party, round: int) -> tuple[Tensors, float]:
        """Train a robot on its private samples; return its update and its mean loss, nats."""


def check_finite(tensors: Tensors) -> None:
    """Raise MessageError if a floating tensor holds NaN or infinity."""
    for name, tensor in tensors.items():
        if tensor.dtype.kind == 'f' and not np.isfinite(tensor).all():
            raise MessageError('not finite', f'{name} holds NaN or infinity')
