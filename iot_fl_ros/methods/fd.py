"""FD: robots exchange, for each class, the mean output of their models on it. No open set.

Jeong et al., arXiv 1811.11479, section 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.config import setting
from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.seeds import derive_seed
from iot_fl_ros.core.tensors import Tensors, TensorSpec
from iot_fl_ros.exchange.open_round import Update
from iot_fl_ros.methods.method import GlobalSet, Participant, StarMethod, check_finite
from iot_fl_ros.training.settings import BATCH_SIZE
from iot_fl_ros.training.trainer import Schedule

_OWN = 'own'
_OWN_ROUND = 'own_round'
_TEACHER = 'teacher'
_MOST_ROBOTS = 65_536


@dataclass(frozen=True)
class FdSettings:
    """Settings of FD."""

    gamma: float = setting(0.5, "Weight of the other robots' mean output in the loss.", minimum=0)
    local_epochs: int = setting(1, 'Epochs on private samples a round.', minimum=0)
    batch_size: int = setting(0, BATCH_SIZE, minimum=0)
    learning_rate: float = setting(0.05, 'SGD learning rate.', minimum=0.0)


class Fd(StarMethod):
    """Update: mean probabilities by true class [C, C]; rows of classes it lacks are zero.

    Global: the sum of those rows, how many robots gave one, and which robots did, so that a robot
    knows whether its own rows are in the sum. The aggregator has no model.
    """

    Settings = FdSettings
    aggregator_learns: ClassVar[bool] = False
    settings: FdSettings

    def update_specs(self, round: int) -> tuple[TensorSpec, ...]:
        """Mean outputs, float32 [C, C]."""
        classes = len(self.info.class_names)
        return (TensorSpec('outputs', 'float32', (classes, classes)),)

    def global_specs(self, round: int) -> tuple[TensorSpec, ...]:
        """Sums of outputs, float32 [C, C], number of robots, float32 [C], marks of the robots."""
        return (
            *self.update_specs(round),
            TensorSpec('robots', 'float32', self.class_shape),
            TensorSpec('marks', 'int64', (-_MOST_ROBOTS,)),
        )

    @property
    def class_shape(self) -> tuple[int, ...]:
        """Shape of one value a class."""
        return (len(self.info.class_names),)

    def check_values(self, tensors: Tensors, round: int) -> None:
        """Outputs of an update are distributions or rows of zeros; sums are not negative."""
        check_finite(tensors)
        if any((tensor < 0).any() for tensor in tensors.values() if tensor.dtype.kind == 'f'):
            raise MessageError('out of range', 'outputs are negative')
        rows = tensors['outputs'].sum(axis=1)
        expected = tensors.get('robots', rows > 0)
        if not np.allclose(rows, expected, atol=0.01):
            raise MessageError('no distribution', 'rows of outputs do not sum to 1')

    def aggregate(
        self, participant: Participant, updates: Sequence[Update], round: int
    ) -> Tensors:
        """Add up the rows, in the order of robot ids."""
        total = np.zeros((*self.class_shape, *self.class_shape), np.float32)
        robots = np.zeros(self.class_shape, np.float32)
        for update in updates:
            sums = update.tensors['outputs'].sum(axis=1)
            # Sums of 1 up to rounding; made exact, for the sum of many must still be a number.
            scale = np.where(sums > 0.5, 1 / np.maximum(sums, 0.5), 0).astype(np.float32)
            total += update.tensors['outputs'] * scale[:, None]
            robots += sums > 0.5
        marks = np.array([_mark(update.robot_id) for update in updates], np.int64)
        return {'outputs': total, 'robots': robots, 'marks': marks}

    def adopt(self, participant: Participant, sets: Sequence[GlobalSet]) -> None:
        """Remember the mean outputs of the others; rows that nobody else has are zero."""
        newest = sets[-1].tensors
        own = np.zeros_like(newest['outputs'])
        counted = _mark(participant.id) in newest['marks']
        if counted and participant.memory.get(_OWN_ROUND, np.zeros(1))[0] == sets[-1].round:
            own = participant.memory[_OWN]
        others = newest['robots'] - (own.sum(axis=1) > 0.5)
        total = np.maximum(newest['outputs'] - own, 0)
        share = np.where(others > 0.5, 1 / np.maximum(others, 1), 0).astype(np.float32)
        participant.memory[_TEACHER] = total * share[:, None]

    def train(self, participant: Participant, round: int) -> tuple[Tensors, float]:
        """Train on CE(y) + gamma CE(teacher of y); return the new mean outputs."""
        private, labels = participant.trainer.labelled()
        settings = self.settings
        targets = self._targets(labels, participant.memory.get(_TEACHER))
        schedule = Schedule(settings.local_epochs, settings.batch_size, settings.learning_rate)
        seed = derive_seed(self.info.seed, 'train', round, participant.id)
        loss = participant.trainer.train(private, targets, schedule, seed)
        probabilities = participant.trainer.probabilities(private)
        outputs = _mean_outputs(probabilities, labels, len(self.info.class_names))
        participant.memory[_OWN] = outputs
        participant.memory[_OWN_ROUND] = np.array([round], np.int64)
        return {'outputs': outputs}, loss

    def _targets(
        self, labels: NDArray[np.int64], teacher: NDArray[np.float32] | None
    ) -> NDArray[Any]:
        """Return onehot(y) + gamma teacher(y): cross-entropy is linear in its target."""
        if teacher is None:
            return labels
        one_hot = np.eye(len(teacher), dtype=np.float32)[labels]
        return one_hot + np.float32(self.settings.gamma) * teacher[labels]


def _mark(robot_id: str) -> int:
    """Return a number that stands for a robot."""
    return derive_seed(0, 'fd', robot_id)


def _mean_outputs(
    probabilities: NDArray[np.float32], labels: NDArray[np.int64], classes: int
) -> NDArray[np.float32]:
    outputs = np.zeros((classes, classes), np.float32)
    for label in np.unique(labels):
        outputs[label] = probabilities[labels == label].mean(axis=0)
    return outputs
