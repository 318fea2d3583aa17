"""Settings of the data room."""

from __future__ import annotations

from dataclasses import dataclass

from iot_fl_ros.core.config import setting

NAME = (
    'registered name, folder with one sub-folder per class, .npz file, or `module:function`; '
    'empty = none'
)


@dataclass(frozen=True)
class DataSettings:
    """Sources of samples, and the share of them that a robot gets."""

    private: str = setting('fashion-mnist', f'Private labelled samples of a robot: {NAME}.')
    open: str = setting('fashion-mnist', f'Open unlabelled samples, the same everywhere: {NAME}.')
    test: str = setting('fashion-mnist', f'Labelled samples to measure accuracy on: {NAME}.')
    class_names: list = setting([], 'Class names in order; empty = those of the test set.')
    private_size: int = setting(10_000, 'Samples shared out among all robots; 0 = all.', minimum=0)
    open_size: int = setting(10_000, 'Samples in the open set; 0 = all.', minimum=0)
    test_size: int = setting(10_000, 'Test samples of the aggregator; 0 = all.', minimum=0)
    robot_test_size: int = setting(1_000, 'Test samples of each robot; 0 = all.', minimum=0)
    partition: str = setting(
        'none',
        'How private samples are shared out: none (the robot has them all), iid, '
        'shards (few classes each), dirichlet, or labels (all samples of some classes each).',
        choices=('none', 'iid', 'shards', 'dirichlet', 'labels'),
    )
    shards: int = setting(2, 'Shards per robot, for partition shards.', minimum=1)
    alpha: float = setting(
        0.5, 'Concentration, for partition dirichlet; small = unequal.', minimum=1e-3
    )
    fewest_labels: int = setting(2, 'Labels of a robot, for partition labels.', minimum=1)
    most_labels: int = setting(5, 'Labels of a robot, for partition labels.', minimum=1)
    partition_index: int = setting(0, 'Which part this robot has, from 0.', minimum=0)
    partition_count: int = setting(1, 'Number of parts.', minimum=1)
    label_noise: float = setting(
        0.0, 'Share of private samples whose label is replaced by a random other one.',
        minimum=0.0, maximum=1.0,
    )  # fmt: skip
    open_noise: float = setting(
        0.0, 'Share of the open set that is replaced by samples of `open_noise_from`.',
        minimum=0.0, maximum=1.0,
    )  # fmt: skip
    open_noise_from: str = setting('mnist', f'Strange samples for the open set: {NAME}.')
    seed: int = setting(0, 'Seed of the split; the same on every robot.', minimum=0)
