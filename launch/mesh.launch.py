"""N robots on this machine that learn from their neighbours: robots:=N graph:=... method:=..."""

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
    method_file,
    our_node,
    parameter_file,
    robot_names,
    values,
)

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
    **AUTOSTART,
    **USUAL,
}


def _nodes(context):
    """Build the nodes; a function because the number of robots is an argument."""
    value = values(context, ARGUMENTS)
    robots = int(value['robots'])
    return [
        GroupAction([*everywhere(), PushROSNamespace(name), _peer(value, index, name)])
        for index, name in robot_names(robots, value['robot'])
    ]


def _peer(value, index, name):
    """Return the node of one robot, which has its part of a data set that is shared out."""
    robots = int(value['robots'])
    return our_node(
        'peer',
        name,
        [
            parameter_file(value['params_file']),
            *method_file(value['method']),
            {'data.partition_index': index, 'data.partition_count': robots, 'mesh.count': robots},
            {'autostart': is_true('autostart', value['autostart'])},
            given(
                mesh__graph=value['graph'],
                mesh__file=value['graph_file'],
                run__output=value['output'],
            ),
            given_numbers(run__rounds=value['rounds']),
        ],
    )


def generate_launch_description():
    """Return the description of the mesh."""
    return LaunchDescription([*declare(ARGUMENTS), OpaqueFunction(function=_nodes)])
