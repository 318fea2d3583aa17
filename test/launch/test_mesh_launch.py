"""The real launch file of a mesh: three robots run three rounds. Needs launch_pytest."""

import time
from pathlib import Path

import pytest

pytest.importorskip('launch_pytest', reason='launch has no wheels; use apt ROS 2')

import launch_pytest
from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

from iot_fl_ros.core.run_files import read_events

PARAMS = """
/**:
  ros__parameters:
    model: {{name: small_cnn}}
    data:
      {{private: {data}, open: {data}, test: {data}, private_size: 200, open_size: 200,
        partition: shards}}
    node: {{exit_when_finished: true}}
    run: {{rounds: 3}}
    method: {{open_samples: 50}}
"""


@pytest.fixture
def folder(toy_npz, tmp_path):
    (tmp_path / 'params.yaml').write_text(PARAMS.format(data=toy_npz))
    return tmp_path


@launch_pytest.fixture
def mesh(folder):
    source = Path(get_package_share_directory('iot_fl_ros')) / 'launch/mesh.launch.py'
    arguments = {
        'robots': '3',
        'graph': 'line',
        'params_file': str(folder / 'params.yaml'),
        'output': str(folder / 'run'),
    }
    return LaunchDescription(
        [
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(source)), launch_arguments=arguments.items()
            ),
            launch_pytest.actions.ReadyToTest(),
        ]
    )


@pytest.mark.launch(fixture=mesh)
def test_three_robots_on_a_line_run_three_rounds(folder):
    end = time.monotonic() + 60
    rows = []
    while not any(row['kind'] == 'end' for row in rows):
        assert time.monotonic() < end, 'the run has not ended'
        time.sleep(0.1)
        rows = read_events(folder / 'run/robot_0')
    rounds = [row['participants'] for row in rows if row['kind'] == 'round']
    assert rounds == [['robot_0', 'robot_1']] * 3
