"""Alone: every peer learns by itself; the baseline that shows what neighbours are worth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from iot_fl_ros.core.config import setting
from iot_fl_ros.core.seeds import derive_seed
from iot_fl_ros.core.tensors import Tensors, TensorSpec
from iot_fl_ros.learning.learner import Schedule
from iot_fl_ros.learning.peer_method import PeerMethod, PeerParty


@dataclass(frozen=True)
class AloneSettings:
    """Settings of alone."""

    local_epochs: int = setting(1, 'Epochs on private samples a round.', minimum=0)
    batch_size: int = setting(50, 'Samples a batch.', minimum=2)
    learning_rate: float = setting(0.05, 'SGD learning rate.', minimum=0.0)


class Alone(PeerMethod):
    """Nothing is exchanged but statuses."""

    Settings = AloneSettings
    settings: AloneSettings

    def update_specs(self, round: int) -> tuple[TensorSpec, ...]:
        """None."""
        return ()

    def check_values(self, tensors: Tensors, round: int) -> None:
        """Nothing to check."""

    def train(self, party: PeerParty, round: int) -> tuple[Tensors, float]:
        """Train on private samples."""
        schedule = Schedule(
            self.settings.local_epochs, self.settings.batch_size, self.settings.learning_rate
        )
        seed = derive_seed(self.info.seed, 'train', round, party.id)
        return {}, party.learner.train_private(schedule, seed)

    def mix(
        self,
        party: PeerParty,
        own: Tensors,
        received: Mapping[str, Tensors],
        weights: Mapping[str, float],
        round: int,
    ) -> float:
        """Nothing to learn from others."""
        return math.nan
