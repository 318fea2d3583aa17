"""DS-FL: robots exchange soft labels of an open set instead of weights.

Itahara, Nishio, Koda, Morikura, Yamamoto, arXiv 2008.06180 (IEEE TMC 2023), algorithm 1; label
cache and Enhanced ERA from SCARLET, arXiv 2504.19602; selections: see
`methods.labels.sample_selection`; weighting by familiarity is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.config import setting
from iot_fl_ros.core.errors import ConfigError, MessageError
from iot_fl_ros.core.messages.federation import RunInfo
from iot_fl_ros.core.seeds import derive_seed
from iot_fl_ros.core.tensors import Tensors, TensorSpec
from iot_fl_ros.data.samples import Samples
from iot_fl_ros.exchange.open_round import Update
from iot_fl_ros.methods.labels.aggregation import (
    SHARPENING,
    distances,
    encode_distances,
    weighted_mean,
    weights,
)
from iot_fl_ros.methods.labels.codec import LabelCodec
from iot_fl_ros.methods.labels.exchange import Indices, LabelExchange, Labels, Mask
from iot_fl_ros.methods.labels.sample_selection import (
    by_confidence,
    by_density_ratio,
    unambiguous,
)
from iot_fl_ros.methods.labels.settings import LabelSettings
from iot_fl_ros.methods.method import GlobalSet, Participant, StarMethod
from iot_fl_ros.training.trainer import Schedule

DISTANCES = 'distances'
_LIKELY = 'likely'
_NO_AMBIGUITY_LIMIT = 2.0
# Beyond, equal probabilities would round to little or nothing.
_MOST_CLASSES_OF_8_BITS = 100


@dataclass(frozen=True)
class DsFlSettings(LabelSettings):
    """Settings of DS-FL."""

    delta_rounds: int = setting(
        0, 'Code labels as differences to older ones of the same block of rounds; 0 = do not.',
        minimum=0,
    )  # fmt: skip
    cache_rounds: int = setting(
        1, 'Rounds for which a label is used again instead of asked for; 1 = none.', minimum=1
    )
    aggregation: str = setting(
        'sa', 'Sharpening of the averaged labels.', choices=tuple(SHARPENING)
    )
    temperature: float = setting(0.1, 'Temperature of era.', minimum=1e-3)
    beta: float = setting(2.0, 'Exponent of enhanced_era.', minimum=0.0)
    ambiguity: float = setting(
        _NO_AMBIGUITY_LIMIT,
        'Averaged labels farther than this from a single class are left out; 2 = none.',
        minimum=0.0,
        maximum=_NO_AMBIGUITY_LIMIT,
    )
    aggregator_epochs: int = setting(
        3, "Epochs of the aggregator's own model on labelled open samples a round.", minimum=0
    )


class DsFl(StarMethod):
    """Update: soft labels of the open samples asked for, with what weighting and selection need.

    Global: their mean.
    """

    Settings = DsFlSettings
    needs_open_set: ClassVar[bool] = True
    settings: DsFlSettings

    def __init__(self, settings: DsFlSettings, info: RunInfo) -> None:
        super().__init__(settings, info)
        classes = len(info.class_names)
        if settings.label_dtype == 'vote' and classes > 256:
            raise ConfigError(f'{classes} classes are too many for votes: use uint8')
        if settings.label_dtype == 'uint8' and classes > _MOST_CLASSES_OF_8_BITS:
            raise ConfigError(f'{classes} classes are too many for 8 bits: use float16')
        if settings.delta_rounds and settings.label_dtype not in ('uint8', 'vote'):
            raise ConfigError('method.delta_rounds needs method.label_dtype uint8 or vote')
        self.exchange = LabelExchange(
            info,
            LabelCodec(settings.label_dtype, classes, settings.packed),
            per_round=settings.open_samples,
            keep=settings.cache_rounds,
            block=settings.delta_rounds,
        )
        self.chained = self.exchange.remembers
        self._selects = settings.selection != 'none'
        self._omits = self._selects or settings.ambiguity < _NO_AMBIGUITY_LIMIT

    # --- wire contract --------------------------------------------------------------------------

    def update_specs(self, round: int) -> tuple[TensorSpec, ...]:
        """Labels; with selection, its bits; with weighting by familiarity, distances uint8 [N]."""
        specs = self.exchange.specs(round, chosen=self._selects)
        if self.settings.weighting == 'none':
            return specs
        return (*specs, TensorSpec(DISTANCES, 'uint8', (len(self.exchange.asked(round)),)))

    def global_specs(self, round: int) -> tuple[TensorSpec, ...]:
        """Labels, and which samples they are for, unless for all that were asked for."""
        return self.exchange.specs(round, chosen=self._omits) if round > 0 else ()

    def check_values(self, tensors: Tensors, round: int) -> None:
        """Labels must be distributions; any byte is a distance."""
        self.exchange.check(tensors, round)

    def needs_since(self, round: int) -> int:
        """Return the oldest round with a label that is still good, or is referred to."""
        return self.exchange.needs_since(round)

    # --- a robot --------------------------------------------------------------------------------

    def prepare(self, participant: Participant) -> None:
        """Compare the open set with the private samples, where that does not change."""
        settings, open_set = self.settings, participant.open_set
        private = participant.trainer.private
        assert private is not None
        assert open_set is not None
        if settings.weighting == 'familiarity':
            seed = derive_seed(self.info.seed, 'familiarity', participant.id)
            participant.prepared[DISTANCES] = distances(private.flat(), open_set.flat(), seed)
        if settings.selection == 'density_ratio':
            seed = derive_seed(self.info.seed, 'density ratio', participant.id)
            participant.prepared[_LIKELY] = by_density_ratio(
                private.flat(), open_set.flat(), settings.selection_quantile, seed
            )

    def train(self, participant: Participant, round: int) -> tuple[Tensors, float]:
        """Train on private samples, then label the open samples that this round asks for."""
        assert participant.open_set is not None
        settings = self.settings
        epochs, rate = settings.local_epochs, settings.learning_rate
        schedule = Schedule(epochs, settings.batch_size, rate, balance=settings.balance)
        seed = derive_seed(self.info.seed, 'train', round, participant.id)
        loss = participant.trainer.train_private(schedule, seed)
        asked = self.exchange.asked(round)
        samples = participant.open_set.take(asked)
        labels = participant.trainer.probabilities(samples)
        mask = self._select(participant, asked, labels) if self._selects else None
        sent = labels if mask is None else labels[mask]
        update = self.exchange.encode(participant.memory, round, sent, mask)
        if settings.weighting != 'none':
            far = self._distances(participant, round, asked, samples)
            update[DISTANCES] = encode_distances(far)
        return update, loss

    def adopt(self, participant: Participant, sets: Sequence[GlobalSet]) -> None:
        """Distil: train on the open samples of the newest set's round with their global labels.

        A set that cannot be decoded is ignored.
        """
        newest = sets[-1].round
        indices, labels = np.zeros(0, np.int64), np.zeros(0, np.float32)
        for content in sets:
            memory, round = participant.memory, content.round
            try:
                decoded, mask = self.exchange.decode(memory, content.tensors, round)
            except MessageError:
                continue
            if self.chained:
                self.exchange.remember(memory, round, decoded, mask)
            elif content.round == newest:
                indices, labels = self.exchange.asked(newest)[mask], decoded[mask]
        if self.chained:
            indices, labels = self.exchange.good(participant.memory, newest)
        if len(indices):
            self.distil(participant, indices, labels, newest)

    def _select(self, participant: Participant, asked: Indices, labels: Labels) -> Mask:
        if self.settings.selection == 'density_ratio':
            return participant.prepared[_LIKELY][asked]
        private, _ = participant.trainer.labelled()
        return by_confidence(participant.trainer.probabilities(private), labels)

    def _distances(
        self, participant: Participant, round: int, asked: Indices, samples: Samples
    ) -> NDArray[np.float32]:
        if self.settings.weighting == 'familiarity':
            return participant.prepared[DISTANCES][asked]
        seed = derive_seed(self.info.seed, 'familiarity', round, participant.id)
        trainer = participant.trainer
        private, _ = trainer.labelled()
        return distances(trainer.features(private), trainer.features(samples), seed)

    def distil(
        self, participant: Participant, indices: Indices, labels: Labels, round: int
    ) -> None:
        """Train on open samples, sorted indices [N], with probabilities [N, C]."""
        assert participant.open_set is not None
        settings = self.settings
        is_robot = participant.trainer.private is not None
        epochs = settings.distil_epochs if is_robot else settings.aggregator_epochs
        schedule = Schedule(epochs, settings.batch_size, settings.distil_learning_rate)
        seed = derive_seed(self.info.seed, 'distil', round, participant.id)
        participant.trainer.train(participant.open_set.take(indices), labels, schedule, seed)

    # --- the aggregator -------------------------------------------------------------------------

    def aggregate(
        self, participant: Participant, updates: Sequence[Update], round: int
    ) -> Tensors:
        """Average the labels of each sample with the robots' weights, sharpen, leave out.

        Updates whose differences make no labels are left out; MessageError if all are so.
        """
        tensors = {update.robot_id: update.tensors for update in updates}
        labels, masks = self.exchange.decode_all(participant.memory, tensors, round)
        if not labels:
            raise MessageError('no labels', f'no update of round {round} can be decoded')
        if self.settings.weighting == 'none':
            shares = np.full(masks.shape, 1 / len(labels), np.float32) * masks
        else:
            distant = [tensors[robot_id][DISTANCES] for robot_id in labels]
            shares = weights(distant, self.settings.sharpness) * masks
        chosen = shares.sum(axis=0) > 0
        mean = weighted_mean([one[chosen] for one in labels.values()], shares[:, chosen])
        if self.settings.ambiguity < _NO_AMBIGUITY_LIMIT:
            clear = unambiguous(mean, self.settings.ambiguity)
            mean = mean[clear]
            chosen[chosen] = clear
        sharpen = SHARPENING[self.settings.aggregation]
        sharp = sharpen(mean, self.settings.temperature, self.settings.beta)
        omitting = chosen if self._omits else None
        return self.exchange.encode(participant.memory, round, sharp, omitting)
