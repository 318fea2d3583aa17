"""Settings of the data room."""

from __future__ import annotations

from dataclasses import dataclass, replace

from iot_fl_ros.core.config import setting

NAME = (
    'registered name, folder with one sub-folder per class, .npz file, or `module:function`; '
    '`{robot}` in it stands for the id of the robot; empty = none'
)

_ROBOT = '{robot}'


@dataclass(frozen=True)
class DataSettings:
    """Sources of samples, and the share of them that a robot gets."""

    private: str = setting('', f'Private labelled samples of a robot: {NAME}.')
    open: str = setting('', f'Open unlabelled samples, the same everywhere: {NAME}.')
    test: str = setting('', f'Labelled samples to measure accuracy on: {NAME}.')
    picture_size: int = setting(
        0,
        'Side of the squares to which pictures of folders are scaled, pixels; 0 = as the first of '
        'the test set is.',
        minimum=0,
        maximum=1024,
    )
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

    def of_robot(self, robot_id: str) -> DataSettings:
        """Return the settings of one robot, with its id in the place of `{robot}`.

        Private samples that only this robot has are not shared out.
        """
        alone = _ROBOT in self.private
        return replace(
            self,
            private=self.private.replace(_ROBOT, robot_id),
            open=self.open.replace(_ROBOT, robot_id),
            test=self.test.replace(_ROBOT, robot_id),
            partition='none' if alone else self.partition,
            partition_index=0 if alone else self.partition_index,
            partition_count=1 if alone else self.partition_count,
        )
