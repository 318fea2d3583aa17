"""`iot-fl demo-sim` around its processes."""

import numpy as np
import pytest

from iot_fl_ros.cli.demo_sim import clear
from iot_fl_ros.cli.main import main
from iot_fl_ros.reports.world_plot import plot_sim
from iot_fl_ros.world.collection import OWN, TRACK


def test_only_what_a_demo_wrote_is_deleted(tmp_path):
    for name in ('robot_0', 'robot_7', 'together', 'photos'):
        (tmp_path / name).mkdir()
        (tmp_path / name / OWN).write_text('old')
    (tmp_path / 'notes.txt').write_text('mine')
    clear(tmp_path, ['robot_0', 'robot_1'])
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ['notes.txt', 'photos', 'robot_7']


@pytest.mark.parametrize('robots', [0, 41])
def test_a_wrong_number_of_robots_deletes_nothing(tmp_path, robots, capsys):
    (tmp_path / 'robot_0').mkdir()
    assert main(['demo-sim', '--robots', str(robots), '--output', str(tmp_path)]) == 2
    assert '1 to 40' in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ['robot_0']


@pytest.mark.parametrize('robots', [1, 6])
def test_one_robot_and_more_than_rooms_are_drawn(tmp_path, robots):
    ids = [f'robot_{index}' for index in range(robots)]
    for robot_id in ids:
        (tmp_path / robot_id).mkdir()
        np.savez(tmp_path / robot_id / TRACK, track=np.array([[0.0, 1.0, 1.0, 0.0]] * 2))
    top = np.zeros((80, 80, 3), np.uint8)
    path = plot_sim(tmp_path, ids, top, {'alone': dict.fromkeys(ids, 0.5)})
    assert path.stat().st_size > 5000
