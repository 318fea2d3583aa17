"""FedAvg: robots exchange weights; the aggregator averages them by number of samples.

McMahan et al., arXiv 1602.05629, algorithm 1. Compressed uploads: `methods.compression`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.config import setting
from iot_fl_ros.core.errors import DataError, MessageError
from iot_fl_ros.core.seeds import derive_seed
from iot_fl_ros.core.tensors import Tensors, TensorSpec
from iot_fl_ros.exchange.open_round import Update
from iot_fl_ros.methods import compression
from iot_fl_ros.methods.method import GlobalSet, Participant, StarMethod, check_finite
from iot_fl_ros.training.settings import BATCH_SIZE
from iot_fl_ros.training.state import StateRole
from iot_fl_ros.training.trainer import Schedule

_RESIDUAL = 'residual'

State = NDArray[np.float32]


@dataclass(frozen=True)
class FedAvgSettings:
    """Settings of FedAvg."""

    local_epochs: int = setting(1, 'Epochs on private samples a round.', minimum=0)
    batch_size: int = setting(0, BATCH_SIZE, minimum=0)
    learning_rate: float = setting(0.1, 'SGD learning rate.', minimum=0.0)
    balance: float = setting(
        0.0,
        'Strength of logit adjustment on private samples, for robots that have few classes each: '
        '0 = none, 1 = by their share.',
        minimum=0.0,
    )
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


class FedAvg(StarMethod):
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
        compression.check(tensors)

    def initial_global(self, state: State) -> Tensors:
        """Everyone starts from the aggregator's model."""
        return {'state': state.astype(self.settings.download)}

    def aggregate(
        self, participant: Participant, updates: Sequence[Update], round: int
    ) -> Tensors:
        """Return the mean state of the updates."""
        state = self.mean_state(participant, updates)
        limit = np.finfo(self.settings.download).max
        return {'state': np.clip(state, -limit, limit).astype(self.settings.download, copy=False)}

    def mean_state(self, participant: Participant, updates: Sequence[Update]) -> State:
        """Return sum_k (n_k / n) w_k, float32 [S], adding in the order of robot ids.

        Updates that cannot be decoded are left out; MessageError if all are so.
        """
        usable = []
        for update in updates:
            with contextlib.suppress(MessageError):
                usable.append((update.samples, self._state_of(participant, update.tensors)))
        if not usable:
            raise MessageError('no weights', 'no update can be decoded')
        total = sum(samples for samples, _ in usable)
        mean = np.zeros(self.info.state_size, np.float32)
        scaled = np.empty_like(mean)
        for samples, state in usable:
            share = samples / total if total else 1 / len(usable)
            mean += np.multiply(state, np.float32(share), out=scaled)
        frozen = participant.trainer.model_state.having(StateRole.FROZEN)
        if frozen.any():  # the mean of equal values may differ from them in the last bit
            mean[frozen] = participant.trainer.state()[frozen]
        return mean

    def _state_of(self, participant: Participant, tensors: Tensors) -> State:
        """Return the state that an update stands for; MessageError if it stands for none."""
        if self.settings.upload == 'float32':
            return tensors['state']
        trainer = participant.trainer
        return compression.changed(trainer.state(), trainer.model_state, tensors)

    def adopt(self, participant: Participant, sets: Sequence[GlobalSet]) -> None:
        """Replace the weights."""
        participant.trainer.set_state(sets[-1].tensors['state'].astype(np.float32, copy=False))

    def train(self, participant: Participant, round: int) -> tuple[Tensors, float]:
        """Train on private samples; the update is the new state, or the change of it."""
        before = None if self.settings.upload == 'float32' else participant.trainer.state()
        seed = derive_seed(self.info.seed, 'train', round, participant.id)
        loss = participant.trainer.train_private(self.schedule(), seed)
        state = participant.trainer.state()
        if before is None:
            return {'state': state}, loss
        return self._encode(participant, before, state), loss

    def _encode(self, participant: Participant, before: State, state: State) -> Tensors:
        """Return the change of the state, with what former updates left out.

        Statistics of normalisation layers are sent whole: their errors would add up to variances
        below zero. What is frozen is not sent.
        """
        model_state = participant.trainer.model_state
        trained = model_state.having(StateRole.TRAINED)
        change = (state - before)[trained] + participant.memory.get(_RESIDUAL, np.float32(0))
        if not np.isfinite(change).all():
            participant.memory.pop(_RESIDUAL, None)  # or no later update could be finite either
            raise DataError('training diverged: lower method.learning_rate')
        tensors = compression.encode(change, self.settings.upload, self.settings.topk)
        participant.memory[_RESIDUAL] = change - compression.decode(tensors, len(change))
        return {**tensors, 'statistics': state[model_state.having(StateRole.STATISTICS)]}

    def schedule(self) -> Schedule:
        """Return how a robot trains on its private samples."""
        settings = self.settings
        return Schedule(
            settings.local_epochs, settings.batch_size, settings.learning_rate,
            balance=settings.balance,
        )  # fmt: skip
