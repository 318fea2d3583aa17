"""Alone: every robot learns by itself; the baseline that shows what the others are worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from iot_fl_ros.core.config import setting
from iot_fl_ros.core.seeds import derive_seed
from iot_fl_ros.core.tensors import Tensors, TensorSpec
from iot_fl_ros.exchange.open_round import Update
from iot_fl_ros.methods.method import GlobalSet, MeshMethod, Participant, Sets, StarMethod, Weights
from iot_fl_ros.training.settings import BATCH_SIZE
from iot_fl_ros.training.trainer import Schedule


@dataclass(frozen=True)
class AloneSettings:
    """Settings of alone."""

    local_epochs: int = setting(1, 'Epochs on private samples a round.', minimum=0)
    batch_size: int = setting(0, BATCH_SIZE, minimum=0)
    learning_rate: float = setting(0.05, 'SGD learning rate.', minimum=0.0)


class Alone(StarMethod, MeshMethod):
    """Nothing is exchanged but the statuses that carry each robot's accuracy."""

    Settings = AloneSettings
    settings: AloneSettings

    def update_specs(self, round: int) -> tuple[TensorSpec, ...]:
        """None."""
        return ()

    def global_specs(self, round: int) -> tuple[TensorSpec, ...]:
        """None."""
        return ()

    def check_values(self, tensors: Tensors, round: int) -> None:
        """Nothing to check."""

    def train(self, participant: Participant, round: int) -> tuple[Tensors, float]:
        """Train on private samples."""
        settings = self.settings
        schedule = Schedule(settings.local_epochs, settings.batch_size, settings.learning_rate)
        seed = derive_seed(self.info.seed, 'train', round, participant.id)
        return {}, participant.trainer.train_private(schedule, seed)

    def aggregate(
        self, participant: Participant, updates: Sequence[Update], round: int
    ) -> Tensors:
        """Nothing to aggregate."""
        return {}

    def adopt(self, participant: Participant, sets: Sequence[GlobalSet]) -> None:
        """Nothing to adopt."""

    def mix(
        self, participant: Participant, own: Tensors, received: Sets, weights: Weights, round: int
    ) -> float:
        """Nothing to learn from others."""
        return math.nan
