"""N robots on this machine through which a model travels as a token: robots:=N tokens:=..."""

from launch import LaunchDescription
from launch.actions import GroupAction, OpaqueFunction
from launch_ros.actions import PushROSNamespace

from iot_fl_ros.ros.launching import (
    AUTOSTART,
    SHARE,
    USUAL,
    declare,
    everywhere,
    given,
    given_numbers,
    is_true,
    our_node,
    parameter_file,
    robot_names,
    values,
)

ARGUMENTS = {
    'robots': ('3', 'Number of robots, named robot_0 and so on.'),
    'robot': ('', 'Start this robot alone, as on a robot of its own; empty = all of them.'),
    'tokens': ('', 'Number of tokens; empty = that of params_file.'),
    'routing': ('', 'cycle, dynamic or load_aware; empty = that of params_file.'),
    'params_file': (str(SHARE / 'config/tram.yaml'), 'ROS parameter file keyed /**.'),
    'updates': ('', 'Mini-batches of each token; empty = those of params_file.'),
    'output': ('', 'Folder for events and copies of the token; empty = that of params_file.'),
    **AUTOSTART,
    **USUAL,
}


def _nodes(context):
    """Build the nodes; a function because the number of robots is an argument."""
    value = values(context, ARGUMENTS)
    return [
        GroupAction([*everywhere(), PushROSNamespace(name), _robot(value, index, name)])
        for index, name in robot_names(int(value['robots']), value['robot'])
    ]


def _robot(value, index, name):
    """Return the node of one robot, which has its part of a data set that is shared out."""
    robots = int(value['robots'])
    return our_node(
        'tram',
        name,
        [
            parameter_file(value['params_file']),
            {'data.partition_index': index, 'data.partition_count': robots, 'tram.count': robots},
            {'autostart': is_true('autostart', value['autostart'])},
            given(tram__routing=value['routing'], run__output=value['output']),
            given_numbers(tram__tokens=value['tokens'], run__updates=value['updates']),
        ],
    )


def generate_launch_description():
    """Return the description of the fleet."""
    return LaunchDescription([*declare(ARGUMENTS), OpaqueFunction(function=_nodes)])
