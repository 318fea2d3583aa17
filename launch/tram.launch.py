"""N robots on this machine through which a model travels as a token: robots:=N tokens:=..."""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    OpaqueFunction,
    SetEnvironmentVariable,
)
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node, PushROSNamespace
from launch_ros.parameter_descriptions import ParameterFile

SHARE = Path(get_package_share_directory('iot_fl_ros'))
ARGUMENTS = {
    'robots': ('3', 'Number of robots, named robot_0 and so on.'),
    'robot': ('', 'Start this robot alone, as on a robot of its own; empty = all of them.'),
    'tokens': ('', 'Number of tokens; empty = that of params_file.'),
    'routing': ('', 'cycle, dynamic or load_aware; empty = that of params_file.'),
    'params_file': (str(SHARE / 'config/tram.yaml'), 'ROS parameter file keyed /**.'),
    'updates': ('', 'Mini-batches of each token; empty = those of params_file.'),
    'output': ('', 'Folder for events and copies of the token; empty = that of params_file.'),
    'use_sim_time': ('false', 'Follow /clock.'),
    'log_level': ('info', 'Log level of the nodes.'),
    'use_respawn': ('false', 'Start nodes again when they die.'),
    'network_profile': ('same-host', 'same-host, wifi, large-data or discovery-server.'),
}


def _nodes(context):
    """Build the nodes; a function because the number of robots is an argument."""
    value = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    robots = int(value['robots'])
    width = len(str(robots - 1))
    names = [f'robot_{index:0{width}d}' for index in range(robots)]
    if value['robot'] and value['robot'] not in names:
        raise ValueError(f'robot is {value["robot"]!r}: choose one of {", ".join(names)}')
    profile = SetEnvironmentVariable('IOT_FL_NETWORK_PROFILE', value['network_profile'])
    return [profile] + [
        GroupAction([PushROSNamespace(name), _robot(value, index, robots)])
        for index, name in enumerate(names)
        if value['robot'] in ('', name)
    ]


def _robot(value, index, robots):
    """Return the node of one robot, which has its part of a data set that is shared out."""
    return Node(
        package='iot_fl_ros',
        executable='tram',
        output='screen',
        respawn=value['use_respawn'] == 'true',
        respawn_delay=2.0,
        arguments=['--ros-args', '--log-level', value['log_level']],
        parameters=[
            ParameterFile(value['params_file'], allow_substs=True),
            {'data.partition_index': index, 'data.partition_count': robots},
            _overrides(value, robots),
        ],
    )


def _overrides(value, robots):
    """Return what the arguments say about the run."""
    overrides = {'tram.count': robots, 'use_sim_time': value['use_sim_time'] == 'true'}
    named = {'tram.routing': value['routing'], 'run.output': value['output']}
    overrides |= {name: text for name, text in named.items() if text}
    numbers = {'tram.tokens': value['tokens'], 'run.updates': value['updates']}
    return overrides | {name: int(text) for name, text in numbers.items() if text}


def generate_launch_description():
    """Return the description of the fleet."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_nodes)])
