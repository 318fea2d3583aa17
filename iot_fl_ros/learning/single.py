"""Single: every robot learns alone; the baseline that shows what the others are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from iot_fl_ros.core.config import setting
from iot_fl_ros.core.seeds import derive_seed
from iot_fl_ros.core.tensors import Tensors, TensorSpec
from iot_fl_ros.learning.learner import Schedule
from iot_fl_ros.learning.method import GlobalSet, Method, Party, Update


@dataclass(frozen=True)
class SingleSettings:
    """Settings of Single."""

    local_epochs: int = setting(1, 'Epochs on private samples a round.', minimum=0)
    batch_size: int = setting(50, 'Samples a batch.', minimum=2)
    learning_rate: float = setting(0.05, 'SGD learning rate.', minimum=0.0)


class Single(Method):
    """Nothing is exchanged but the statuses that carry each robot's accuracy."""

    Settings = SingleSettings
    settings: SingleSettings

    def update_specs(self, round: int) -> tuple[TensorSpec, ...]:
        """None."""
        return ()

    def global_specs(self, round: int) -> tuple[TensorSpec, ...]:
        """None."""
        return ()

    def check_values(self, tensors: Tensors, round: int) -> None:
        """Nothing to check."""

    def aggregate(self, party: Party, updates: Sequence[Update], round: int) -> Tensors:
        """Nothing to aggregate."""
        return {}

    def adopt(self, party: Party, sets: Sequence[GlobalSet]) -> None:
        """Nothing to adopt."""

    def train(self, party: Party, round: int) -> tuple[Tensors, float]:
        """Train on private samples."""
        loss = party.learner.train_private(
            Schedule(
                self.settings.local_epochs, self.settings.batch_size, self.settings.learning_rate
            ),
            derive_seed(self.info.seed, 'train', round, party.id),
        )
        return {}, loss
