"""N robots on this machine that learn from their neighbours: robots:=N graph:=... method:=..."""

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
    'method': ('', 'cmfd, gossip, alone or your own; empty = that of params_file, or cmfd.'),
    'graph': (
        '',
        'line, ring, star, full ... or discovery; empty = that of params_file.',
    ),
    'graph_file': ('', 'Edges, or GraphML, for graph:=file; empty = that of params_file.'),
    'params_file': (str(SHARE / 'config/mesh.yaml'), 'ROS parameter file keyed /**.'),
    'rounds': ('', 'Number of rounds; empty = that of params_file.'),
    'output': ('', 'Folder for events and checkpoints; empty = that of params_file.'),
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
        GroupAction([PushROSNamespace(name), _peer(value, index, robots)])
        for index, name in enumerate(names)
        if value['robot'] in ('', name)
    ]


def _peer(value, index, robots):
    """Return the node of one robot, which has its part of a data set that is shared out."""
    return Node(
        package='iot_fl_ros',
        executable='peer',
        output='screen',
        respawn=value['use_respawn'] == 'true',
        respawn_delay=2.0,
        arguments=['--ros-args', '--log-level', value['log_level']],
        parameters=[
            ParameterFile(value['params_file'], allow_substs=True),
            *_method_file(value['method']),
            {'data.partition_index': index, 'data.partition_count': robots},
            _overrides(value, robots),
        ],
    )


def _method_file(method):
    """Return the parameter file of a method, or its name alone if it has none."""
    if not method:
        return []
    path = SHARE / 'config' / f'{method}.yaml'
    return [str(path)] if path.is_file() else [{'method.name': method}]


def _overrides(value, robots):
    """Return what the arguments say about the run."""
    overrides = {'mesh.count': robots, 'use_sim_time': value['use_sim_time'] == 'true'}
    named = {
        'mesh.graph': value['graph'],
        'mesh.file': value['graph_file'],
        'run.output': value['output'],
    }
    overrides |= {name: text for name, text in named.items() if text}
    if value['rounds']:
        overrides['run.rounds'] = int(value['rounds'])
    return overrides


def generate_launch_description():
    """Return the description of the mesh."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_nodes)])
