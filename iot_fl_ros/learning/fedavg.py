"""FedAvg: robots exchange weights; the aggregator averages them by number of samples.

McMahan et al., arXiv 1602.05629, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.config import setting
from iot_fl_ros.core.seeds import derive_seed
from iot_fl_ros.core.tensors import Tensors, TensorSpec
from iot_fl_ros.learning.learner import Schedule
from iot_fl_ros.learning.method import Method, Party, Update, check_finite


@dataclass(frozen=True)
class FedAvgSettings:
    """Settings of FedAvg."""

    local_epochs: int = setting(1, 'Epochs on private samples a round.', minimum=0)
    batch_size: int = setting(50, 'Samples a batch.', minimum=2)
    learning_rate: float = setting(0.1, 'SGD learning rate.', minimum=0.0)


class FedAvg(Method):
    """Update and global tensors: the model's state as one vector."""

    Settings = FedAvgSettings
    shares_state: ClassVar[bool] = True
    settings: FedAvgSettings

    def update_specs(self) -> tuple[TensorSpec, ...]:
        """State vector, float32 [S]."""
        return (TensorSpec('state', 'float32', (self.info.state_size,)),)

    def global_specs(self) -> tuple[TensorSpec, ...]:
        """State vector, float32 [S]."""
        return self.update_specs()

    def check_values(self, tensors: Tensors) -> None:
        """Weights must be finite."""
        check_finite(tensors)

    def initial_global(self, state: NDArray[np.float32]) -> Tensors:
        """Everyone starts from the aggregator's model."""
        return {'state': state}

    def aggregate(self, updates: Sequence[Update]) -> Tensors:
        """Return sum_k (n_k / n) w_k, adding in the order of robot ids."""
        total = sum(update.samples for update in updates)
        state = np.zeros(self.info.state_size, np.float32)
        scaled = np.empty_like(state)
        for update in updates:
            share = update.samples / total if total else 1 / len(updates)
            state += np.multiply(update.tensors['state'], np.float32(share), out=scaled)
        return {'state': state}

    def adopt(self, party: Party, tensors: Tensors, round: int) -> None:
        """Replace the weights."""
        party.learner.set_state(tensors['state'])

    def train(self, party: Party, round: int) -> tuple[Tensors, float]:
        """Train on private samples; the update is the new state."""
        loss = party.learner.train_private(
            Schedule(
                self.settings.local_epochs, self.settings.batch_size, self.settings.learning_rate
            ),
            derive_seed(self.info.seed, 'train', round, party.id),
        )
        return {'state': party.learner.state()}, loss
