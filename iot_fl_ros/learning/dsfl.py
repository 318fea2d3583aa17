"""DS-FL: robots exchange soft labels of an open set instead of weights.

Itahara, Nishio, Koda, Morikura, Yamamoto, arXiv 2008.06180 (IEEE TMC 2023), algorithm 1; label
cache and Enhanced ERA from SCARLET, arXiv 2504.19602; selections: see `learning.selection`;
weighting by familiarity is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.config import setting
from iot_fl_ros.core.errors import ConfigError, MessageError
from iot_fl_ros.core.messages import RunInfo
from iot_fl_ros.core.seeds import derive_seed
from iot_fl_ros.core.tensors import Tensors, TensorSpec
from iot_fl_ros.data.samples import Samples
from iot_fl_ros.learning import selection
from iot_fl_ros.learning.aggregation import SHARPENING, weighted_mean
from iot_fl_ros.learning.familiarity import distances, encode_distances, weights
from iot_fl_ros.learning.label_memory import LabelMemory
from iot_fl_ros.learning.labels import LABEL_DTYPES, LabelCodec, check_symbols
from iot_fl_ros.learning.learner import Schedule
from iot_fl_ros.learning.method import GlobalSet, Method, Party, Update
from iot_fl_ros.learning.open_schedule import open_schedule

_DISTANCES = 'distances'
_SELECTED = 'selected'
_LABELS = 'labels'
_NO_AMBIGUITY_LIMIT = 2.0


@dataclass(frozen=True)
class DsFlSettings:
    """Settings of DS-FL."""

    open_samples: int = setting(2_000, 'Open samples used in a round.', minimum=1)
    label_dtype: str = setting(
        'uint8', 'Labels on the wire; vote = only the most likely class.', choices=LABEL_DTYPES
    )
    packed: bool = setting(True, 'Entropy-code labels (LZMA), without loss.')
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
    weighting: str = setting(
        'familiarity',
        'Weights of the robots in the average, for each sample: none, or familiarity in the '
        "space of the samples or of the model's features.",
        choices=('none', 'familiarity', 'feature_familiarity'),
    )
    sharpness: float = setting(5.0, 'Sharpness of weighting by familiarity.', minimum=0.0)
    selection: str = setting(
        'none', 'Open samples that a robot labels.', choices=selection.SELECTIONS
    )
    selection_quantile: float = setting(
        0.125, 'Share of its own samples that a robot takes for strange, for density_ratio.',
        minimum=0.0, maximum=1.0,
    )  # fmt: skip
    ambiguity: float = setting(
        _NO_AMBIGUITY_LIMIT,
        'Averaged labels farther than this from a single class are left out; 2 = none.',
        minimum=0.0,
        maximum=_NO_AMBIGUITY_LIMIT,
    )
    local_epochs: int = setting(1, 'Epochs on private samples a round.', minimum=0)
    distil_epochs: int = setting(1, 'Epochs on labelled open samples a round.', minimum=0)
    aggregator_epochs: int = setting(
        3, "Epochs of the aggregator's own model on labelled open samples a round.", minimum=0
    )
    balance: float = setting(
        1.0, 'Strength of logit adjustment to the classes that a robot has; 0 = none.', minimum=0.0
    )
    batch_size: int = setting(50, 'Samples a batch.', minimum=2)
    learning_rate: float = setting(0.1, 'SGD learning rate on private samples.', minimum=0.0)
    distil_learning_rate: float = setting(0.1, 'SGD learning rate on open samples.', minimum=0.0)


class DsFl(Method):
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
        if settings.delta_rounds and settings.label_dtype not in ('uint8', 'vote'):
            raise ConfigError('method.delta_rounds needs method.label_dtype uint8 or vote')
        self.chained = settings.cache_rounds > 1 or settings.delta_rounds > 0
        self._codec = LabelCodec(settings.label_dtype, classes, settings.packed)
        self._schedule = open_schedule(
            info.seed, max(1, info.open_set_size), settings.open_samples, settings.cache_rounds
        )

    # --- wire contract --------------------------------------------------------------------------

    def update_specs(self, round: int) -> tuple[TensorSpec, ...]:
        """Labels; with weighting by familiarity, distances uint8 [N]; with selection, its bits."""
        samples = len(self.asked(round))
        specs = self._label_specs(samples, chosen=self.settings.selection != 'none')
        if self.settings.weighting == 'none':
            return specs
        return (*specs, TensorSpec(_DISTANCES, 'uint8', (samples,)))

    def global_specs(self, round: int) -> tuple[TensorSpec, ...]:
        """Labels, and which samples they are for, unless for all that were asked for."""
        return self._label_specs(len(self.asked(round)), chosen=self._global_is_chosen)

    def check_values(self, tensors: Tensors, round: int) -> None:
        """Labels must be distributions; any byte is a distance.

        Differences can only be checked by who knows what they refer to: see `aggregate`.
        """
        rows = len(_chosen(tensors, self.asked(round)))
        symbols = self._codec.read_symbols(tensors[_LABELS], rows)
        if not self.settings.delta_rounds:
            check_symbols(symbols, self.settings.label_dtype, len(self.info.class_names))

    def needs_since(self, round: int) -> int:
        """Return the oldest round with a label that is still good, or is referred to."""
        oldest = max(1, round - self.settings.cache_rounds + 1)
        return self._block_start(oldest) if self.settings.delta_rounds else oldest

    def asked(self, round: int) -> NDArray[np.int64]:
        """Return the open samples whose labels robots send in `round`."""
        return self._schedule.asked(round)

    def _label_specs(self, samples: int, *, chosen: bool) -> tuple[TensorSpec, ...]:
        labels = self._codec.spec(samples, open_rows=chosen)
        return (labels, selection.mask_spec(samples)) if chosen else (labels,)

    @property
    def _global_is_chosen(self) -> bool:
        return self.settings.selection != 'none' or self.settings.ambiguity < _NO_AMBIGUITY_LIMIT

    # --- a robot --------------------------------------------------------------------------------

    def prepare(self, party: Party) -> None:
        """Compare the open set with the private samples, where that does not change."""
        settings, private, open_set = self.settings, party.learner.private, party.open_set
        assert private is not None
        assert open_set is not None
        if settings.weighting == 'familiarity':
            seed = derive_seed(self.info.seed, 'familiarity', party.id)
            party.prepared[_DISTANCES] = distances(private.flat(), open_set.flat(), seed)
        if settings.selection == 'density_ratio':
            seed = derive_seed(self.info.seed, 'density ratio', party.id)
            party.prepared[_SELECTED] = selection.by_density_ratio(
                private.flat(), open_set.flat(), settings.selection_quantile, seed
            )

    def train(self, party: Party, round: int) -> tuple[Tensors, float]:
        """Train on private samples, then label the open samples that this round asks for."""
        assert party.open_set is not None
        settings = self.settings
        schedule = Schedule(
            settings.local_epochs,
            settings.batch_size,
            settings.learning_rate,
            balance=settings.balance,
        )
        seed = derive_seed(self.info.seed, 'train', round, party.id)
        loss = party.learner.train_private(schedule, seed)
        asked = self.asked(round)
        samples = party.open_set.take(asked)
        labels = party.learner.probabilities(samples)
        update: dict[str, NDArray[Any]] = {}
        mask = self._select(party, asked, labels)
        update[_LABELS] = self._encode(party, round, asked[mask], labels[mask])
        if settings.selection != 'none':
            update[_SELECTED] = selection.pack_mask(mask)
        if settings.weighting != 'none':
            update[_DISTANCES] = encode_distances(self._distances(party, round, asked, samples))
        return update, loss

    def adopt(self, party: Party, sets: Sequence[GlobalSet]) -> None:
        """Distil: train on the open samples of the newest set's round with their global labels.

        A set that cannot be decoded teaches nothing.
        """
        for content in sets:
            try:
                indices, labels = self._decode_global(party, content)
            except MessageError:
                indices, labels = np.zeros(0, np.int64), None
            if self.chained and labels is not None:
                memory = LabelMemory(party.memory)
                symbols = self._codec.symbols(labels)
                memory.remember(self.info.open_set_size, indices, symbols, content.round)
        if self.chained:
            indices, labels = self._cached(party, sets[-1].round)
        if labels is not None and len(indices):
            self._distil(party, indices, labels, sets[-1].round)

    def _select(
        self, party: Party, asked: NDArray[np.int64], labels: NDArray[np.float32]
    ) -> NDArray[np.bool_]:
        if self.settings.selection == 'density_ratio':
            return party.prepared[_SELECTED][asked]
        if self.settings.selection == 'confidence':
            assert party.learner.private is not None
            own = party.learner.probabilities(party.learner.private)
            return selection.by_confidence(own, labels)
        return np.ones(len(asked), bool)

    def _distances(
        self, party: Party, round: int, asked: NDArray[np.int64], samples: Samples
    ) -> NDArray[np.float32]:
        if self.settings.weighting == 'familiarity':
            return party.prepared[_DISTANCES][asked]
        assert party.learner.private is not None
        seed = derive_seed(self.info.seed, 'familiarity', round, party.id)
        learner = party.learner
        return distances(learner.features(party.learner.private), learner.features(samples), seed)

    def _distil(
        self, party: Party, indices: NDArray[np.int64], labels: NDArray[np.float32], round: int
    ) -> None:
        assert party.open_set is not None
        settings = self.settings
        is_robot = party.learner.private is not None
        epochs = settings.distil_epochs if is_robot else settings.aggregator_epochs
        schedule = Schedule(epochs, settings.batch_size, settings.distil_learning_rate)
        seed = derive_seed(self.info.seed, 'distil', round, party.id)
        party.learner.train(party.open_set.take(indices), labels, schedule, seed)

    # --- the aggregator -------------------------------------------------------------------------

    def aggregate(self, party: Party, updates: Sequence[Update], round: int) -> Tensors:
        """Average the labels of each sample with the robots' weights, sharpen, leave out.

        Updates whose differences make no labels are left out; MessageError if all are so.
        """
        asked = self.asked(round)
        usable, labels, masks = [], [], []
        for update in updates:
            try:
                one, mask = self._decode_update(party, update.tensors, round)
            except MessageError:
                continue
            usable.append(update)
            labels.append(one)
            masks.append(mask)
        if not usable:
            raise MessageError('no labels', f'no update of round {round} can be decoded')
        shares = self._shares(usable, np.stack(masks))
        chosen = shares.sum(axis=0) > 0
        mean = weighted_mean([one[chosen] for one in labels], shares[:, chosen])
        if self.settings.ambiguity < _NO_AMBIGUITY_LIMIT:
            clear = selection.unambiguous(mean, self.settings.ambiguity)
            mean = mean[clear]
            chosen[chosen] = clear
        sharpen = SHARPENING[self.settings.aggregation]
        sharp = sharpen(mean, self.settings.temperature, self.settings.beta)
        tensors = {_LABELS: self._encode(party, round, asked[chosen], sharp)}
        return tensors | self._mask_of(chosen)

    def _mask_of(self, chosen: NDArray[np.bool_]) -> Tensors:
        return {_SELECTED: selection.pack_mask(chosen)} if self._global_is_chosen else {}

    def _shares(self, updates: Sequence[Update], masks: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return the weight of each robot for each sample asked for, [robots, N]."""
        if self.settings.weighting == 'none':
            shares = np.full(masks.shape, 1 / len(updates), np.float32)
        else:
            distant = [update.tensors[_DISTANCES] for update in updates]
            shares = weights(distant, self.settings.sharpness)
        return shares * masks

    # --- labels and what is remembered of them --------------------------------------------------

    def _decode_update(
        self, party: Party, tensors: Tensors, round: int
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return (labels [N, C], rows not sent are zero; which were sent)."""
        asked = self.asked(round)
        mask = _mask(tensors, len(asked))
        labels = np.zeros((len(asked), len(self.info.class_names)), np.float32)
        reference = self._reference(party, round, asked[mask])
        labels[mask] = self._codec.decode(tensors[_LABELS], int(mask.sum()), reference)
        return labels, mask

    def _decode_global(
        self, party: Party, content: GlobalSet
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return (open samples, their labels)."""
        indices = _chosen(content.tensors, self.asked(content.round))
        reference = self._reference(party, content.round, indices)
        return indices, self._codec.decode(content.tensors[_LABELS], len(indices), reference)

    def _encode(
        self, party: Party, round: int, indices: NDArray[np.int64], labels: NDArray[np.float32]
    ) -> NDArray[Any]:
        return self._codec.encode(labels, self._reference(party, round, indices))

    def _reference(
        self, party: Party, round: int, indices: NDArray[np.int64]
    ) -> NDArray[Any] | None:
        """Return the symbols that differences of `round` refer to; zero where there are none."""
        if not self.settings.delta_rounds:
            return None
        memory = LabelMemory(party.memory)
        known = memory.known(indices, self._block_start(round))
        classes = () if self.settings.label_dtype == 'vote' else (len(self.info.class_names),)
        reference = np.zeros((len(indices), *classes), np.uint8)
        if known.any():
            reference[known] = memory.symbols(indices[known])
        return reference

    def _cached(
        self, party: Party, round: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32] | None]:
        """Return the open samples drawn for `round` that have a good label, and the labels."""
        drawn = self._schedule.drawn(round)
        memory = LabelMemory(party.memory)
        good = drawn[memory.known(drawn, round - self.settings.cache_rounds + 1)]
        if not len(good):
            return good, None
        return good, self._codec.labels_of(memory.symbols(good))

    def _block_start(self, round: int) -> int:
        """Return the first round of the block of `round`: differences do not reach beyond it."""
        block = self.settings.delta_rounds
        return (round - 1) // block * block + 1


def _mask(tensors: Tensors, samples: int) -> NDArray[np.bool_]:
    if _SELECTED not in tensors:
        return np.ones(samples, bool)
    return selection.unpack_mask(tensors[_SELECTED], samples)


def _chosen(tensors: Tensors, asked: NDArray[np.int64]) -> NDArray[np.int64]:
    return asked[_mask(tensors, len(asked))]
