"""An aggregator and N robots on this machine: robots:=N method:=... params_file:=..."""

from launch import LaunchDescription
from launch.actions import GroupAction, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import SetParameter

from iot_fl_ros.ros.launching import (
    AUTOSTART,
    SHARE,
    USUAL,
    declare,
    everywhere,
    given,
    given_numbers,
    is_true,
    method_file,
    our_node,
    parameter_file,
    robot_names,
    values,
)

ARGUMENTS = {
    'robots': ('3', 'Number of robots.'),
    'namespace': ('fleet', 'Namespace of the aggregator; robots have their own.'),
    'method': ('', 'dsfl, fedavg, alone, ... or your own; empty = that of params_file.'),
    'params_file': (str(SHARE / 'config/demo.yaml'), 'ROS parameter file keyed /**.'),
    'rounds': ('', 'Number of rounds; empty = that of params_file.'),
    'output': ('', 'Folder for events, summary and checkpoints; empty = that of params_file.'),
    **AUTOSTART,
    **USUAL,
}


def _nodes(context):
    """Build the includes; a function because the number of robots is an argument."""
    value = values(context, ARGUMENTS)
    robots = int(value['robots'])
    aggregator = our_node(
        'aggregator',
        value['namespace'],
        [
            parameter_file(value['params_file']),
            *method_file(value['method']),
            {'run.robots': robots, 'autostart': is_true('autostart', value['autostart'])},
            given(run__output=value['output']),
            given_numbers(run__rounds=value['rounds']),
        ],
        namespace=value['namespace'],
    )
    return [
        GroupAction([*everywhere(), aggregator]),
        *(_robot(value, index, name) for index, name in robot_names(robots)),
    ]


def _robot(value, index, name):
    """Return the include of one robot, which has its part of a data set that is shared out."""
    shared = {key: value[key] for key in ('params_file', *AUTOSTART, *USUAL)}
    return GroupAction(
        [
            SetParameter('data.partition_index', index),
            SetParameter('data.partition_count', int(value['robots'])),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(SHARE / 'launch/robot.launch.py')),
                launch_arguments={**shared, 'namespace': name}.items(),
            ),
        ]
    )


def generate_launch_description():
    """Return the description of the fleet."""
    return LaunchDescription([*declare(ARGUMENTS), OpaqueFunction(function=_nodes)])
