"""DS-FL: robots exchange soft labels of an open set instead of weights.

Itahara, Nishio, Koda, Morikura, Yamamoto, arXiv 2008.06180 (IEEE TMC 2023), algorithm 1; Enhanced
ERA from arXiv 2504.19602; label weighting by familiarity is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.config import setting
from iot_fl_ros.core.messages import RunInfo
from iot_fl_ros.core.seeds import derive_seed, generator
from iot_fl_ros.core.tensors import Tensors, TensorSpec
from iot_fl_ros.learning.aggregation import SHARPENING, weighted_mean
from iot_fl_ros.learning.familiarity import encode_distances, weights
from iot_fl_ros.learning.labels import LABEL_DTYPES, check_labels, decode_labels, encode_labels
from iot_fl_ros.learning.learner import Schedule
from iot_fl_ros.learning.method import Method, Party, Update


@dataclass(frozen=True)
class DsFlSettings:
    """Settings of DS-FL."""

    open_samples: int = setting(1_000, 'Open samples labelled in a round.', minimum=1)
    label_dtype: str = setting('uint8', 'Labels on the wire.', choices=LABEL_DTYPES)
    aggregation: str = setting(
        'sa', 'Sharpening of the averaged labels.', choices=tuple(SHARPENING)
    )
    temperature: float = setting(0.1, 'Temperature of era.', minimum=1e-3)
    beta: float = setting(2.0, 'Exponent of enhanced_era.', minimum=0.0)
    weighting: str = setting(
        'familiarity',
        'Weights of the robots in the average, for each sample.',
        choices=('none', 'familiarity'),
    )
    sharpness: float = setting(20.0, 'Sharpness of weighting familiarity.', minimum=0.0)
    local_epochs: int = setting(1, 'Epochs on private samples a round.', minimum=0)
    distil_epochs: int = setting(1, 'Epochs on labelled open samples a round.', minimum=0)
    batch_size: int = setting(50, 'Samples a batch.', minimum=2)
    learning_rate: float = setting(0.05, 'SGD learning rate on private samples.', minimum=0.0)
    distil_learning_rate: float = setting(0.05, 'SGD learning rate on open samples.', minimum=0.0)


class DsFl(Method):
    """Update: soft labels of this round's open samples, with familiarity. Global: their mean."""

    Settings = DsFlSettings
    needs_open_set: ClassVar[bool] = True
    settings: DsFlSettings

    def __init__(self, settings: DsFlSettings, info: RunInfo) -> None:
        super().__init__(settings, info)
        self.needs_familiarity = settings.weighting == 'familiarity'
        self._samples = min(settings.open_samples, info.open_set_size)

    def update_specs(self) -> tuple[TensorSpec, ...]:
        """Labels [N, C] and, with weighting familiarity, distances uint8 [N]."""
        if not self.needs_familiarity:
            return self.global_specs()
        return (*self.global_specs(), TensorSpec('distances', 'uint8', (self._samples,)))

    def global_specs(self) -> tuple[TensorSpec, ...]:
        """Labels [N, C]."""
        shape = (self._samples, len(self.info.class_names))
        return (TensorSpec('labels', self.settings.label_dtype, shape),)

    def check_values(self, tensors: Tensors) -> None:
        """Labels must be distributions; any byte is a distance."""
        check_labels(tensors['labels'])

    def aggregate(self, updates: Sequence[Update]) -> Tensors:
        """Average the labels of each sample with the robots' weights, then sharpen."""
        labels = [decode_labels(update.tensors['labels']) for update in updates]
        if self.needs_familiarity:
            shares = weights([u.tensors['distances'] for u in updates], self.settings.sharpness)
        else:
            shares = np.full((len(labels), self._samples), 1 / len(labels), np.float32)
        sharpen = SHARPENING[self.settings.aggregation]
        mean = weighted_mean(labels, shares)
        sharpened = sharpen(mean, self.settings.temperature, self.settings.beta)
        return {'labels': encode_labels(sharpened, self.settings.label_dtype)}

    def adopt(self, party: Party, tensors: Tensors, round: int) -> None:
        """Distil: train on the open samples of `round` with the global labels."""
        assert party.open_set is not None
        party.learner.train(
            party.open_set.take(self.open_indices(round)),
            decode_labels(tensors['labels']),
            Schedule(
                self.settings.distil_epochs,
                self.settings.batch_size,
                self.settings.distil_learning_rate,
            ),
            derive_seed(self.info.seed, 'distil', round, party.id),
        )

    def train(self, party: Party, round: int) -> tuple[Tensors, float]:
        """Train on private samples, then label this round's open samples."""
        assert party.open_set is not None
        loss = party.learner.train_private(
            Schedule(
                self.settings.local_epochs, self.settings.batch_size, self.settings.learning_rate
            ),
            derive_seed(self.info.seed, 'train', round, party.id),
        )
        indices = self.open_indices(round)
        probabilities = party.learner.probabilities(party.open_set.take(indices))
        update = {'labels': encode_labels(probabilities, self.settings.label_dtype)}
        if party.familiar is not None:
            update['distances'] = encode_distances(party.familiar[indices])
        return update, loss

    def open_indices(self, round: int) -> NDArray[np.int64]:
        """Return the indices of the open samples of `round`: the same on every robot."""
        rng = generator(self.info.seed, 'open', round)
        return np.sort(rng.choice(self.info.open_set_size, self._samples, replace=False))
