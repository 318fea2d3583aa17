"""From a data set to a tuned bundle: train a base model, cut it, fit the codec, tune.

And from a pretrained model and unlabelled pictures to a bundle, tuned by imitating itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from iot_fl_ros.core.config import setting
from iot_fl_ros.core.errors import ConfigError, DataError
from iot_fl_ros.core.seeds import derive_seed
from iot_fl_ros.core.store import FolderStore
from iot_fl_ros.data.pictures import ImageInput
from iot_fl_ros.data.registry import load_samples
from iot_fl_ros.data.samples import Samples
from iot_fl_ros.link.link import LinkSettings
from iot_fl_ros.split.bundle import Architecture, Bundle, feature_shapes, load_bundle, save_bundle
from iot_fl_ros.split.codec import FILLS, RANGES, CodecSpec, Shapes, fit_codec
from iot_fl_ros.split.comtune import (
    LossDraw,
    LossSettings,
    TunedSplit,
    label_objective,
    tuning_objective,
)
from iot_fl_ros.split.cut import cut, start_from_principal_channels, with_bottleneck
from iot_fl_ros.split.layout import ORDERS
from iot_fl_ros.split.pretrained import load_pretrained
from iot_fl_ros.split.training import Epoch, TrainingSettings, train

# Frames on which a codec is fitted; features of large models take megabytes each.
_FIT_FRAMES, _FIT_FRAMES_OF_PRETRAINED = 1_000, 64
_BATCH = 250
# Mean and deviation to which 0..1 pixels of the data sets are normalised; near enough for all.
_MEAN, _STD = 0.5, 0.25


@dataclass(frozen=True)
class SplitSettings:
    """The model, where it is cut and what it learns from."""

    model: str = setting('comtune_small', 'Registered model, or `module:function`.')
    split_point: str = setting('block2.pool', 'Layer behind which the model is cut.')
    data: str = setting('fashion-mnist', 'Labelled images: registered name, folder or .npz file.')
    train_size: int = setting(0, 'Training samples; 0 = all.', minimum=0)


@dataclass(frozen=True)
class CodecSettings:
    """Settings of the codec between features and packets."""

    bits: int = setting(2, 'Bits of a feature: 1, 2, 4, 8, 16 (float16) or 32 (float32).')
    range: str = setting(
        'channel', 'Range of the quantiser: fitted per channel, or of each frame.', choices=RANGES
    )
    components: int = setting(0, 'Principal components that are sent; 0 = no PCA.', minimum=0)
    bottleneck: int = setting(0, 'Channels of a learned bottleneck; 0 = none.', minimum=0)
    fill: str = setting(
        'zero', 'What stands for lost features: zero (with compensation) or mean.', choices=FILLS
    )
    order: str = setting('interleaved', 'Which features share a packet.', choices=ORDERS)
    min_packets: int = setting(
        16, 'A small frame is spread over at least so many packets.', minimum=1, maximum=65_535
    )

    def spec(self, shapes: Shapes, seed: int) -> CodecSpec:
        """Return the codec for features of these shapes."""
        return CodecSpec(
            shapes, self.bits, self.range, self.components, self.fill, True, self.order, seed,
            self.min_packets,
        )  # fmt: skip


@dataclass(frozen=True)
class RecipeSettings:
    """Everything that decides what a tuned bundle is."""

    split: SplitSettings = field(default_factory=SplitSettings)
    codec: CodecSettings = field(default_factory=CodecSettings)
    base: TrainingSettings = field(default_factory=TrainingSettings)
    tune: TrainingSettings = field(default_factory=partial(TrainingSettings, learning_rate=0.05))
    loss: LossSettings = field(default_factory=LossSettings)
    link: LinkSettings = field(default_factory=LinkSettings)
    seed: int = setting(0, 'Seed of weights, order, losses and interleaving.', minimum=0)


class Recipe:
    """Makes bundles. Each step is kept in `work` and taken up from there.

    progress: told after each epoch, with the name of the step.
    """

    def __init__(
        self, settings: RecipeSettings, work: Path | None = None,
        progress: Callable[[str, Epoch], None] | None = None,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._work = work
        self._progress = progress or (lambda step, epoch: None)
        samples = load_samples(settings.split.data, 'train')
        if samples.labels is None:
            raise ConfigError(f'{settings.split.data!r} has no labels: a base model needs them')
        size = settings.split.train_size or len(samples)
        self._samples = samples.take(spread(len(samples), size))
        self.digest = self._samples.labelled_digest().hex()
        channels, height, width = samples.shape
        shape = (channels, height, width)
        self.input = ImageInput(shape, 'stretch', (_MEAN,) * channels, (_STD,) * channels)

    def base(self) -> Bundle:
        """Return the untuned bundle, whose features are sent as float32; train it if need be."""
        settings = self._settings
        kept = self._work / 'base' if self._work else None
        # What the base model depends on: kept work of another one is not taken up.
        packets = settings.codec.min_packets
        identity = (
            f'{settings.split} {settings.base} seed={settings.seed} packets={packets} '
            f'samples={self.digest}'
        )
        if kept and (kept / 'bundle.json').is_file():
            bundle = load_bundle(kept)
            if bundle.tuning.get('base') == identity:
                return bundle
        architecture = Architecture(
            settings.split.model, len(self._samples.class_names), settings.split.split_point
        )
        parts = architecture.build(self.input.shape, settings.seed)
        model = torch.nn.Sequential(parts.head, parts.tail)
        if len(parts.crossing) > 1:
            raise ConfigError('training a model with several crossing tensors is not supported')
        labels = self._samples.labels
        assert labels is not None
        store = FolderStore(self._work / 'base-training') if self._work else None
        for epoch in train(
            model, label_objective(model, labels), self._batch, len(labels), settings.base,
            derive_seed(settings.seed, 'base model'), store, identity,
        ):  # fmt: skip
            self._progress('base model', epoch)
        spec = CodecSpec(
            feature_shapes(parts, self.input.shape), bits=32, seed=settings.seed,
            min_packets=packets,
        )  # fmt: skip
        codec = fit_codec(spec, self._features(parts))
        bundle = Bundle(
            'base', architecture, self.input, 'classification', self._samples.class_names,
            parts, codec, {'base': identity},
        )  # fmt: skip
        return save_bundle(bundle, kept) if kept else bundle

    def tuned(self, base: Bundle) -> Bundle:
        """Return `base` with the codec of the settings, fine-tuned for losses. Changes `base`."""
        return self.tune(self.untuned(base))

    def untuned(self, base: Bundle) -> Bundle:
        """Return `base` with the codec of the settings, not tuned."""
        wanted = self._settings.codec
        parts, architecture = base.cut, base.architecture
        if wanted.bottleneck:
            features = base.codec.parts(self._features(parts))[0]
            parts = with_bottleneck(parts, features.shape[1], wanted.bottleneck)
            start_from_principal_channels(parts, features)
            architecture = replace(architecture, bottleneck=wanted.bottleneck)
        spec = wanted.spec(feature_shapes(parts, base.input.shape), self._settings.seed)
        codec = fit_codec(spec, self._features(parts))
        return replace(
            base, name='untuned', architecture=architecture, cut=parts, codec=codec, digest=b''
        )

    def tune(self, bundle: Bundle) -> Bundle:
        """Fine-tune head and tail of `bundle` with codec and losses between them."""
        settings = self._settings
        split = TunedSplit(bundle.cut, bundle.codec).requires_grad_(True)
        freeze_as(split, bundle)
        draw = LossDraw(bundle.codec, settings.loss, settings.link)
        objective = tuning_objective(split, draw, self._samples.labels, settings.loss)
        store = FolderStore(self._work / 'tuning') if self._work else None
        identity = f'{bundle.tuning} {settings.codec} {settings.loss} {settings.link}'
        for epoch in train(
            split, objective, self._batch, len(self._samples), settings.tune,
            derive_seed(settings.seed, 'tuning'), store, identity,
        ):  # fmt: skip
            self._progress('COMtune', epoch)
        split.requires_grad_(False)
        tuning = {name: repr(getattr(settings, name)) for name in ('tune', 'loss', 'link')}
        return replace(bundle, name='tuned', tuning={**bundle.tuning, **tuning}, digest=b'')

    def _batch(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        return normalised(self._samples, indices, self.input)

    def _features(self, parts: Any) -> NDArray[np.float32]:
        """Return features of some training samples, float32 [frames, elements]."""
        return features_of(parts, self._batch(spread(len(self._samples), _FIT_FRAMES)))


def freeze_as(split: TunedSplit, bundle: Bundle) -> None:
    """Freeze the weights that the model's own code freezes."""
    fresh = bundle.architecture.build(bundle.input.shape)
    for part, module in (('head', fresh.head), ('tail', fresh.tail)):
        frozen = {name for name, p in module.named_parameters() if not p.requires_grad}
        for name, parameter in getattr(split, part).named_parameters():
            parameter.requires_grad_(name not in frozen)


def evaluation_samples(bundle: Bundle, data: str, size: int) -> Samples:
    """Return some test samples as a bundle takes them: of its shape, labelled by its classes."""
    samples = load_samples(data, 'test', bundle.input.shape)
    if samples.shape != bundle.input.shape:
        raise DataError(
            f'{data} has samples {samples.shape}, the bundle takes {bundle.input.shape}'
        )
    return samples.with_classes(bundle.class_names).take(spread(len(samples), size))


def spread(count: int, wanted: int) -> NDArray[np.int64]:
    """Return indices of up to `wanted` of `count` samples, drawn at random but always the same.

    Not the first ones: data sets may be sorted by class.
    """
    return np.sort(np.random.default_rng(0).permutation(count)[:wanted])


def normalised(
    samples: Samples, indices: NDArray[np.int64], image_input: ImageInput
) -> NDArray[np.float32]:
    """Return samples as a model's input, float32 [n, channels, height, width]."""
    mean = np.array(image_input.mean, np.float32)[:, None, None]
    std = np.array(image_input.std, np.float32)[:, None, None]
    values = samples.values[indices].astype(np.float32)
    if samples.values.dtype == np.uint8:
        values /= np.float32(255)
    return np.asarray((values - mean) / std, np.float32)


def features_of(parts: Any, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what crosses the cut for `inputs`, float32 [frames, elements]."""
    batches = []
    with torch.no_grad():
        for start in range(0, len(inputs), _BATCH):
            tensors = parts.features(torch.from_numpy(inputs[start : start + _BATCH]))
            batches.append(torch.cat([t.flatten(1) for t in tensors], dim=1).numpy())
    return np.concatenate(batches)


def pretrained_bundle(
    name: str, pictures: Sequence[NDArray[np.uint8]], codec: CodecSettings, split_point: str = '',
    seed: int = 0,
) -> tuple[Bundle, NDArray[np.float32]]:  # fmt: skip
    """Return (untuned bundle, the pictures as the model's inputs [N, C, H, W]).

    pictures: uint8 [height, width, 3] RGB each; the codec is fitted on up to 64 of them, evenly
    chosen. split_point: '' = the model's own.
    """
    known = load_pretrained(name)
    point = split_point or known.split_point
    parts = cut(known.model.requires_grad_(False), point)
    inputs = np.stack([known.input.prepare(picture) for picture in pictures])
    count = min(_FIT_FRAMES_OF_PRETRAINED, len(inputs))
    few = inputs[np.linspace(0, len(inputs) - 1, count).astype(int)]
    fitted = fit_codec(
        codec.spec(feature_shapes(parts, known.input.shape), seed), features_of(parts, few)
    )
    architecture = Architecture(name, len(known.class_names), point)
    bundle = Bundle(
        name, architecture, known.input, known.task, known.class_names, parts, fitted,
        {'pretrained': name},
    )  # fmt: skip
    return bundle, inputs


def imitate(
    bundle: Bundle, inputs: NDArray[np.float32], training: TrainingSettings, loss: LossSettings,
    seed: int = 0, progress: Callable[[str, Epoch], None] | None = None,
) -> Bundle:  # fmt: skip
    """Tune head and tail so that they answer under losses as they do without.

    Nobody labels pictures of a robot's surroundings; the untuned model on lossless features is
    the teacher. Batch statistics stay those of the pretrained model: the pictures are few and
    alike.
    """
    split = TunedSplit(bundle.cut, bundle.codec).requires_grad_(True)
    objective = tuning_objective(split, LossDraw(bundle.codec, loss, LinkSettings()), None, loss)
    for epoch in train(
        split, objective, lambda indices: inputs[indices], len(inputs), training, seed,
        freeze_statistics=True,
    ):  # fmt: skip
        if progress:
            progress('imitation', epoch)
    split.requires_grad_(False)
    tuning = {**bundle.tuning, 'imitation': repr(training), 'loss': repr(loss)}
    return replace(bundle, tuning=tuning)
