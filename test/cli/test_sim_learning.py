"""Robots learn from what they collected, over DDS; the samples are made up."""

import shutil
from pathlib import Path

from rich.console import Console

from iot_fl_ros.processes.nodes import private_dds_env
from iot_fl_ros.processes.world import Learning


def test_robots_learn_alone_and_together_from_their_own_files(toy_npz, tmp_path):
    seen = Path(shutil.copy(toy_npz, tmp_path / 'seen.npz'))
    toy = {'data.private': seen, 'data.test': seen}
    settings = {
        'run.rounds': 1, 'model.name': 'small_cnn', 'method.name': 'dsfl',
        'method.open_samples': 50, 'data.open': str(toy_npz), 'data.test': str(toy_npz),
        'data.private': '', 'data.private_size': 0, 'data.open_size': 100,
    }  # fmt: skip
    own = {'robot_0': toy, 'robot_1': toy}
    learning = Learning(settings, own, tmp_path, Console(quiet=True), private_dds_env())
    for accuracies in (learning.alone(), learning.together()):
        assert set(accuracies) == {'robot_0', 'robot_1'}
        assert all(0.0 <= accuracy <= 1.0 for accuracy in accuracies.values())
