"""Arguments of every launch file, as `ros2 launch -s` shows it. Needs launch (no wheel)."""

import importlib.util
from pathlib import Path

import pytest

pytest.importorskip('launch_ros', reason='launch has no wheels; use apt ROS 2')

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext
from launch.actions import DeclareLaunchArgument

FILES = sorted((Path(get_package_share_directory('iot_fl_ros')) / 'launch').glob('*.launch.py'))
USUAL = {'use_sim_time', 'log_level', 'use_respawn', 'network_profile', 'security_enclave'}


def description_of(path):
    spec = importlib.util.spec_from_file_location(path.stem.replace('.', '_'), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.generate_launch_description()


def arguments_of(path):
    actions = description_of(path).entities
    return {action.name: action for action in actions if isinstance(action, DeclareLaunchArgument)}


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_the_usual_arguments_are_there_and_described(path):
    arguments = arguments_of(path)
    assert arguments.keys() >= USUAL
    assert all(argument.description for argument in arguments.values())


def test_a_misspelt_network_profile_is_refused():
    argument = arguments_of(FILES[0])['network_profile']
    context = LaunchContext()
    context.launch_configurations['network_profile'] = 'wfi'
    with pytest.raises(RuntimeError, match='wifi'):
        argument.visit(context)


@pytest.mark.parametrize(('prefix', 'enclave'), [('', '/'), ('/iot_fl', '/iot_fl/cart/learner')])
def test_the_enclave_of_a_node_is_that_of_its_robot(prefix, enclave):
    from launch.utilities import perform_substitutions

    from iot_fl_ros.ros.launching import our_node

    context = LaunchContext()
    context.launch_configurations.update(
        {'security_enclave': prefix, 'log_level': 'info', 'use_respawn': 'false'}
    )
    node = our_node('learner', 'cart', [])
    words = [perform_substitutions(context, part) for part in node.cmd]
    assert words[words.index('--enclave') + 1] == enclave
