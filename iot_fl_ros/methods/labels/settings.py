"""Settings that all methods with soft labels share."""

from __future__ import annotations

from dataclasses import dataclass

from iot_fl_ros.core.config import setting
from iot_fl_ros.methods.labels.codec import LABEL_DTYPES
from iot_fl_ros.methods.labels.sample_selection import SELECTIONS
from iot_fl_ros.training.settings import BATCH_SIZE


@dataclass(frozen=True)
class LabelSettings:
    """Settings of every method that exchanges labels."""

    open_samples: int = setting(2_000, 'Open samples used in a round.', minimum=1)
    label_dtype: str = setting(
        'uint8', 'Labels on the wire; vote = only the most likely class.', choices=LABEL_DTYPES
    )
    packed: bool = setting(True, 'Entropy-code labels (LZMA), without loss.')
    weighting: str = setting(
        'familiarity',
        'Weights of the labels of each robot, for each sample, besides those of the graph: none, '
        "or familiarity in the space of the samples or of the model's features.",
        choices=('none', 'familiarity', 'feature_familiarity'),
    )
    sharpness: float = setting(
        5.0, 'Sharpness of weighting by familiarity.', minimum=0.0, maximum=20.0
    )
    selection: str = setting('none', 'Open samples that a robot labels.', choices=SELECTIONS)
    selection_quantile: float = setting(
        0.125, 'Quantile of own density ratios used as threshold, for density_ratio.',
        minimum=0.0, maximum=1.0,
    )  # fmt: skip
    local_epochs: int = setting(1, 'Epochs on private samples a round.', minimum=0)
    distil_epochs: int = setting(1, 'Epochs on labelled open samples a round.', minimum=0)
    balance: float = setting(
        1.0, 'Strength of logit adjustment to the classes that a robot has; 0 = none.', minimum=0.0
    )
    # Few samples are not cut into smaller batches, as by other methods: local training then undoes
    # more of what the labels of others taught, see docs/methods.md.
    batch_size: int = setting(50, BATCH_SIZE, minimum=0)
    learning_rate: float = setting(0.1, 'SGD learning rate on private samples.', minimum=0.0)
    distil_learning_rate: float = setting(0.1, 'SGD learning rate on open samples.', minimum=0.0)
