"""Gazebo and its bridge are told of every robot and topic."""

import pytest
import yaml

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.world.gazebo import server_arguments, spawn_arguments, write_bridge
from iot_fl_ros.world.sdf import read_model


def test_the_server_runs_at_once_and_without_a_window_if_told(worlds):
    world = worlds / 'fleet.sdf'
    assert server_arguments(world, headless=False) == f'-r {world}'
    assert server_arguments(world, headless=True) == f'-r -s --headless-rendering {world}'


def test_a_robot_is_spawned_with_its_name_at_its_start(worlds):
    arguments = spawn_arguments(worlds / 'fleet.sdf', 'fleet', 'robot_2', 2)
    options = dict(zip(arguments[::2], arguments[1::2], strict=True))
    assert read_model(options['-string']).name == 'robot_2'
    assert (float(options['-x']), float(options['-y'])) == (-2.5, -2.5)


def test_the_bridge_of_a_robot_names_its_topics(worlds, tmp_path):
    entries = yaml.safe_load(
        write_bridge(worlds.parent / 'config', 'robot_07', tmp_path).read_text()
    )
    assert entries
    assert all(entry['gz_topic_name'].startswith('/robot_07/') for entry in entries)
    with pytest.raises(DataError, match='cannot read the template'):
        write_bridge(tmp_path, 'robot_07', tmp_path)
