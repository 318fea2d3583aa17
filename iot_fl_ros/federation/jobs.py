"""Jobs that the machines of robot and aggregator give their workers, as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from iot_fl_ros.core.messages.federation import RunInfo
from iot_fl_ros.core.tensors import Tensors
from iot_fl_ros.exchange.open_round import Update
from iot_fl_ros.methods.method import GlobalSet


@dataclass(frozen=True)
class Prepare:
    """Load data and model for a run. Result: Prepared."""

    info: RunInfo


@dataclass(frozen=True)
class Prepared:
    """A robot is ready; manifest and update are those of its checkpoint of this run, if any.

    class_counts: private samples of each class.
    """

    samples: int
    manifest: dict[str, Any] | None
    update: Tensors
    class_counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class TrainRound:
    """Adopt new global sets, oldest first, and, unless `last`, train. Result: Trained."""

    round: int
    model_version: int
    sets: tuple[GlobalSet, ...]
    last: bool = False


@dataclass(frozen=True)
class Trained:
    """Result of a training; accuracy was measured after adopting, before training."""

    update: Tensors
    loss: float
    accuracy: float
    seconds: float


@dataclass(frozen=True)
class Aggregate:
    """Aggregate the updates of a round. Result: Tensors."""

    round: int
    updates: Sequence[Update]


@dataclass(frozen=True)
class Evaluate:
    """Let the aggregator's own model adopt global tensors and measure it. Result: float."""

    round: int
    model_version: int
    tensors: Tensors
