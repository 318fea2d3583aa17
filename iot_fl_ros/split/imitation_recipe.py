"""From a pretrained model and unlabelled pictures to a bundle, tuned by imitating itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.link.settings import LinkSettings
from iot_fl_ros.split.bundle import Architecture, Bundle, feature_shapes
from iot_fl_ros.split.codec import CodecSpec, fit_codec
from iot_fl_ros.split.comtune import LossDraw, LossSettings, TunedSplit, tuning_objective
from iot_fl_ros.split.cut import cut
from iot_fl_ros.split.pretrained import load_pretrained
from iot_fl_ros.split.recipe import CodecSettings, features_of
from iot_fl_ros.split.training import Epoch, TrainingSettings, train

# Frames on which the codec is fitted; features of large models take megabytes each.
_FIT_FRAMES = 64


def pretrained_bundle(
    name: str,
    pictures: NDArray[np.uint8] | list[NDArray[np.uint8]],
    codec: CodecSettings,
    split_point: str = '',
    seed: int = 0,
) -> tuple[Bundle, NDArray[np.float32]]:
    """Return (untuned bundle, the pictures as the model's inputs [N, C, H, W]).

    pictures: uint8 [height, width, 3] RGB each; the codec is fitted on up to 64 of them, evenly
    chosen. split_point: '' = the model's own.
    """
    pretrained = load_pretrained(name)
    point = split_point or pretrained.split_point
    parts = cut(pretrained.model.requires_grad_(False), point)
    inputs = np.stack([pretrained.input.prepare(picture) for picture in pictures])
    few = inputs[np.linspace(0, len(inputs) - 1, min(_FIT_FRAMES, len(inputs))).astype(int)]
    spec = CodecSpec(
        feature_shapes(parts, pretrained.input.shape), codec.bits, codec.range, codec.components,
        codec.fill, True, codec.order, seed, codec.min_packets,
    )  # fmt: skip
    bundle = Bundle(
        name,
        Architecture(name, len(pretrained.class_names), point),
        pretrained.input,
        pretrained.task,
        pretrained.class_names,
        parts,
        fit_codec(spec, features_of(parts, few)),
        {'pretrained': name},
    )
    return bundle, inputs


def imitate(
    bundle: Bundle,
    inputs: NDArray[np.float32],
    training: TrainingSettings,
    loss: LossSettings,
    seed: int = 0,
    progress: Callable[[str, Epoch], None] | None = None,
) -> Bundle:
    """Tune head and tail so that they answer under losses as they do without.

    Nobody labels pictures of a robot's surroundings; the untuned model on lossless features is
    the teacher. Batch statistics stay those of the pretrained model: the pictures are few and
    alike.
    """
    split = TunedSplit(bundle.cut, bundle.codec)
    split.requires_grad_(True)
    objective = tuning_objective(split, LossDraw(bundle.codec, loss, LinkSettings()), None, loss)
    for epoch in train(
        split, objective, lambda indices: inputs[indices], len(inputs), training, seed,
        freeze_statistics=True,
    ):  # fmt: skip
        if progress:
            progress('imitation', epoch)
    split.requires_grad_(False)
    tuning = {**bundle.tuning, 'imitation': repr(training), 'loss': repr(loss)}
    return Bundle(**{**vars(bundle), 'tuning': tuning})
