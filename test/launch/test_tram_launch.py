"""The real launch file of a Tram-FL fleet: three robots train a token. Needs launch_pytest."""

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
    data: {{private: {data}, test: {data}, private_size: 200, partition: shards}}
    node: {{exit_when_finished: true}}
    run: {{heartbeat: 0.2, lease: 2.0}}
    tram: {{cycle_batches: 6, batch_size: 20}}
"""
ROBOTS = ('robot_0', 'robot_1', 'robot_2')


@pytest.fixture
def folder(toy_npz, tmp_path):
    (tmp_path / 'params.yaml').write_text(PARAMS.format(data=toy_npz))
    return tmp_path


@launch_pytest.fixture
def tram(folder):
    source = Path(get_package_share_directory('iot_fl_ros')) / 'launch/tram.launch.py'
    arguments = {
        'robots': '3',
        'tokens': '2',
        'updates': '40',
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


@pytest.mark.launch(fixture=tram)
def test_two_tokens_travel_through_three_robots(folder):
    end = time.monotonic() + 90
    rows = []
    while sum(row['kind'] == 'totals' for row in rows) < len(ROBOTS):
        assert time.monotonic() < end, 'the run has not ended'
        time.sleep(0.1)
        rows = [row for robot in ROBOTS for row in read_events(folder / 'run' / robot)]
    visits = [row for row in rows if row['kind'] == 'visit']
    assert {row['token'] for row in visits} == {0, 1}
    assert sum(row['batches'] for row in visits) >= 80
