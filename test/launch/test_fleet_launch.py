"""The real launch file: three robots run three rounds. Needs launch_pytest (not in the wheels)."""

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
def fleet(folder):
    source = Path(get_package_share_directory('iot_fl_ros')) / 'launch/fleet.launch.py'
    arguments = {
        'robots': '3',
        'network_profile': 'wifi',
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


@pytest.mark.launch(fixture=fleet)
def test_three_robots_run_three_rounds(folder):
    import time

    end = time.monotonic() + 60
    while not (folder / 'run/summary.json').is_file():
        assert time.monotonic() < end, 'the run has not ended'
        time.sleep(0.1)
    rounds = [row for row in read_events(folder / 'run') if row['kind'] == 'round']
    assert [row['participants'] for row in rounds] == [['robot_0', 'robot_1', 'robot_2']] * 3
