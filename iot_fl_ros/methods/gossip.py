"""Gossip: peers average their weights with those of their neighbours, without a server.

After some epochs: decentralised FedAvg (Sun, Li, Wang, arXiv 2104.11375). After some mini-batches:
gossip SGD, that is, decentralised parallel SGD (Lian et al., arXiv 1705.09056, algorithm 1).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.config import setting
from iot_fl_ros.core.errors import DataError, MessageError
from iot_fl_ros.core.seeds import derive_seed, generator
from iot_fl_ros.core.tensors import Tensors, TensorSpec
from iot_fl_ros.methods import compression
from iot_fl_ros.methods.method import (
    MeshMethod,
    Participant,
    Sets,
    Weights,
    check_finite,
    disagreement,
)
from iot_fl_ros.training.settings import BATCH_SIZE, samples_a_batch
from iot_fl_ros.training.state import StateRole
from iot_fl_ros.training.trainer import Schedule

State = NDArray[np.float32]


@dataclass(frozen=True)
class GossipSettings:
    """Settings of gossip."""

    local_epochs: int = setting(1, 'Epochs on private samples a round.', minimum=0)
    local_batches: int = setting(
        0, 'Mini-batches a round instead of epochs (gossip SGD); 0 = epochs.', minimum=0
    )
    batch_size: int = setting(0, BATCH_SIZE, minimum=0)
    learning_rate: float = setting(0.1, 'SGD learning rate.', minimum=0.0)
    weight_dtype: str = setting(
        'float32', 'Weights on the wire.', choices=('float32', 'float16', 'uint8')
    )
    disagreement_samples: int = setting(
        100,
        "Test samples on which the neighbours' models are compared, to measure disagreement; "
        '0 = do not.',
        minimum=0,
    )


class Gossip(MeshMethod):
    """Update: the model's state as one vector, or in 8 bits a weight."""

    Settings = GossipSettings
    shares_state: ClassVar[bool] = True
    settings: GossipSettings

    def update_specs(self, round: int) -> tuple[TensorSpec, ...]:
        """State vector [S], or its encoded weights and the statistics of its layers."""
        if self.settings.weight_dtype == 'uint8':
            return compression.specs('uint8', self.info.state_size, 1.0)
        return (TensorSpec('state', self.settings.weight_dtype, (self.info.state_size,)),)

    def check_values(self, tensors: Tensors, round: int) -> None:
        """Weights must be finite."""
        check_finite(tensors)
        compression.check(tensors)

    def train(self, participant: Participant, round: int) -> tuple[Tensors, float]:
        """Train on private samples; the update is the new state."""
        loss = self._train(participant, round)
        state = participant.trainer.state()
        if not np.isfinite(state).all():
            raise DataError('training diverged: lower method.learning_rate')
        return self._encode(participant, state), loss

    def mix(
        self, participant: Participant, own: Tensors, received: Sets, weights: Weights, round: int
    ) -> float:
        """Replace the state by the weighted mean; statistics of BatchNorm are averaged too."""
        states = {participant.id: participant.trainer.state()}
        for robot_id, tensors in received.items():
            with contextlib.suppress(MessageError):  # its weight is shared out among the others
                states[robot_id] = self._decode(participant, tensors)
        total = sum(weights[i] for i in sorted(states))
        mean = np.zeros(self.info.state_size, np.float32)
        for robot_id, state in sorted(states.items()):
            mean += state * np.float32(weights[robot_id] / total if total else 1 / len(states))
        measured = self._disagreement(participant, states)
        participant.trainer.set_state(mean)
        return measured

    def _train(self, participant: Participant, round: int) -> float:
        settings = self.settings
        seed = derive_seed(self.info.seed, 'train', round, participant.id)
        epochs = 1 if settings.local_batches else settings.local_epochs
        private, labels = participant.trainer.labelled()
        # Of all that there are: a few batches are few samples, which would make smaller ones.
        size = samples_a_batch(settings.batch_size, len(private))
        schedule = Schedule(epochs, size, settings.learning_rate)
        if not settings.local_batches:
            return participant.trainer.train_private(schedule, seed)
        wanted = settings.local_batches * size
        rng = generator(self.info.seed, 'batches', round, participant.id)
        passes = [rng.permutation(len(private)) for _ in range(-(-wanted // len(private)))]
        chosen = np.concatenate(passes)[:wanted]
        return participant.trainer.train(private.take(chosen), labels[chosen], schedule, seed)

    def _encode(self, participant: Participant, state: State) -> Tensors:
        dtype = self.settings.weight_dtype
        if dtype == 'uint8':
            model_state = participant.trainer.model_state
            encoded = compression.encode(
                state[model_state.having(StateRole.TRAINED)], 'uint8', 1.0
            )
            return {**encoded, 'statistics': state[model_state.having(StateRole.STATISTICS)]}
        limit = np.finfo(dtype).max
        return {'state': np.clip(state, -limit, limit).astype(dtype, copy=False)}

    def _decode(self, participant: Participant, tensors: Tensors) -> State:
        """Return the state that an update stands for; MessageError if it stands for none."""
        if self.settings.weight_dtype != 'uint8':
            return tensors['state'].astype(np.float32, copy=False)
        trainer = participant.trainer
        frozen = trainer.model_state.having(StateRole.FROZEN)
        nothing = np.where(frozen, trainer.state(), np.float32(0))
        return compression.changed(nothing, trainer.model_state, tensors)

    def _disagreement(self, participant: Participant, states: Mapping[str, State]) -> float:
        """Compare what the models predict, own and received, on samples of this peer's."""
        count = self.settings.disagreement_samples
        if participant.probe is None or not count or len(states) < 2:
            return math.nan
        probe = participant.probe.take(np.arange(min(count, len(participant.probe))))
        predictions = []
        for robot_id in sorted(states):
            participant.trainer.set_state(states[robot_id])
            predictions.append(participant.trainer.probabilities(probe))
        return disagreement(predictions)
