"""FedAvg: robots exchange weights; the aggregator averages them by number of samples.

McMahan et al., arXiv 1602.05629, algorithm 1. Compressed uploads: `learning.compression`.
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
from iot_fl_ros.learning import compression
from iot_fl_ros.learning.learner import Schedule
from iot_fl_ros.learning.method import GlobalSet, Method, Party, Update, check_finite

_RESIDUAL = 'residual'


@dataclass(frozen=True)
class FedAvgSettings:
    """Settings of FedAvg."""

    local_epochs: int = setting(1, 'Epochs on private samples a round.', minimum=0)
    batch_size: int = setting(50, 'Samples a batch.', minimum=2)
    learning_rate: float = setting(0.1, 'SGD learning rate.', minimum=0.0)
    upload: str = setting(
        'float32',
        'How updates go up: all weights, 8 bits a weight, or the largest changes.',
        choices=compression.UPLOADS,
    )
    topk: float = setting(
        0.01, 'Share of the weights that upload topk sends.', minimum=0.0, maximum=1.0
    )
    download: str = setting(
        'float32', 'How the global model goes down.', choices=('float32', 'float16')
    )


class FedAvg(Method):
    """Global tensors: the model's state as one vector. Update: that vector, or its change."""

    Settings = FedAvgSettings
    shares_state: ClassVar[bool] = True
    settings: FedAvgSettings

    def update_specs(self, round: int) -> tuple[TensorSpec, ...]:
        """State vector, float32 [S], or its encoded change."""
        if self.settings.upload == 'float32':
            return (TensorSpec('state', 'float32', (self.info.state_size,)),)
        return compression.specs(self.settings.upload, self.info.state_size, self.settings.topk)

    def global_specs(self, round: int) -> tuple[TensorSpec, ...]:
        """State vector, float32 or float16 [S]."""
        return (TensorSpec('state', self.settings.download, (self.info.state_size,)),)

    def check_values(self, tensors: Tensors, round: int) -> None:
        """Weights must be finite."""
        check_finite(tensors)
        compression.check(tensors, self.info.state_size)

    def initial_global(self, state: NDArray[np.float32]) -> Tensors:
        """Everyone starts from the aggregator's model."""
        return {'state': state.astype(self.settings.download)}

    def aggregate(self, party: Party, updates: Sequence[Update], round: int) -> Tensors:
        """Return the mean state of the updates."""
        state = self.mean_state(party, updates)
        limit = np.finfo(self.settings.download).max
        return {'state': np.clip(state, -limit, limit).astype(self.settings.download, copy=False)}

    def mean_state(self, party: Party, updates: Sequence[Update]) -> NDArray[np.float32]:
        """Return sum_k (n_k / n) w_k, float32 [S], adding in the order of robot ids."""
        total = sum(update.samples for update in updates)
        encoded = self.settings.upload != 'float32'
        mean = np.zeros(self.info.state_size, np.float32)
        scaled = np.empty_like(mean)
        for update in updates:
            tensors = update.tensors
            values = compression.decode(tensors, len(mean)) if encoded else tensors['state']
            share = update.samples / total if total else 1 / len(updates)
            mean += np.multiply(values, np.float32(share), out=scaled)
        return mean + party.learner.state() if encoded else mean

    def adopt(self, party: Party, sets: Sequence[GlobalSet]) -> None:
        """Replace the weights."""
        party.learner.set_state(sets[-1].tensors['state'].astype(np.float32, copy=False))

    def train(self, party: Party, round: int) -> tuple[Tensors, float]:
        """Train on private samples; the update is the new state, or the change of it."""
        before = None if self.settings.upload == 'float32' else party.learner.state()
        seed = derive_seed(self.info.seed, 'train', round, party.id)
        loss = party.learner.train_private(self.schedule(), seed)
        state = party.learner.state()
        if before is None:
            return {'state': state}, loss
        change = state - before + party.memory.get(_RESIDUAL, np.float32(0))
        tensors = compression.encode(change, self.settings.upload, self.settings.topk)
        party.memory[_RESIDUAL] = change - compression.decode(tensors, len(change))
        return tensors, loss

    def schedule(self) -> Schedule:
        """Return how a robot trains on its private samples."""
        settings = self.settings
        return Schedule(settings.local_epochs, settings.batch_size, settings.learning_rate)
