"""An aggregator and N robots on this machine: robots:=N method:=... params_file:=..."""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
    SetEnvironmentVariable,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node, SetParameter
from launch_ros.parameter_descriptions import ParameterFile

SHARE = Path(get_package_share_directory('iot_fl_ros'))
ARGUMENTS = {
    'robots': ('3', 'Number of robots.'),
    'method': ('', 'dsfl, fedavg, single, ... or your own; empty = that of params_file.'),
    'params_file': (str(SHARE / 'config/demo.yaml'), 'ROS parameter file keyed /**.'),
    'rounds': ('', 'Number of rounds; empty = that of params_file.'),
    'output': ('', 'Folder for events, summary and checkpoints; empty = that of params_file.'),
    'autostart': ('true', 'Configure and activate the aggregator at start.'),
    'use_sim_time': ('false', 'Follow /clock.'),
    'log_level': ('info', 'Log level of the nodes.'),
    'use_respawn': ('false', 'Start nodes again when they die.'),
    'network_profile': ('same-host', 'same-host, wifi, large-data or discovery-server.'),
}


def _nodes(context):
    """Build the includes; a function because the number of robots is an argument."""
    value = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    robots = int(value['robots'])
    aggregator = Node(
        package='iot_fl_ros',
        executable='aggregator',
        namespace='fleet',
        output='screen',
        respawn=value['use_respawn'] == 'true',
        respawn_delay=2.0,
        arguments=['--ros-args', '--log-level', value['log_level']],
        parameters=[
            ParameterFile(value['params_file'], allow_substs=True),
            *_method_file(value['method']),
            _overrides(value, robots),
        ],
    )
    width = len(str(robots - 1))
    names = ('params_file', 'use_sim_time', 'log_level', 'use_respawn', 'network_profile')
    shared = {name: value[name] for name in names}
    profile = SetEnvironmentVariable('IOT_FL_NETWORK_PROFILE', value['network_profile'])
    return [profile, aggregator] + [
        GroupAction(
            [
                # Each robot has its part of a data set that is shared out.
                SetParameter('data.partition_index', index),
                SetParameter('data.partition_count', robots),
                IncludeLaunchDescription(
                    PythonLaunchDescriptionSource(str(SHARE / 'launch/robot.launch.py')),
                    launch_arguments={**shared, 'namespace': f'robot_{index:0{width}d}'}.items(),
                ),
            ]
        )
        for index in range(robots)
    ]


def _method_file(method):
    """Return the parameter file of a method, or its name alone if it has none."""
    if not method:
        return []
    path = SHARE / 'config' / f'{method}.yaml'
    return [str(path)] if path.is_file() else [{'method.name': method}]


def _overrides(value, robots):
    """Return what the arguments say about the run."""
    overrides = {
        'run.robots': robots,
        'autostart': value['autostart'] == 'true',
        'use_sim_time': value['use_sim_time'] == 'true',
    }
    if value['rounds']:
        overrides['run.rounds'] = int(value['rounds'])
    if value['output']:
        overrides['run.output'] = value['output']
    return overrides


def generate_launch_description():
    """Return the description of the fleet."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_nodes)])
