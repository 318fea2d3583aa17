"""Split inference: one edge and N robots, each with a head and, if wanted, pictures of a file.

On a real fleet start the parts where they belong: parts:=robots on robots, parts:=edge elsewhere.
"""

from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    OpaqueFunction,
    SetEnvironmentVariable,
)
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node, PushROSNamespace, SetParameter
from launch_ros.parameter_descriptions import ParameterValue

ARGUMENTS = {
    'robots': ('1', 'Number of robots; 1 uses `namespace` as it is, more number it from 0.'),
    'namespace': ('robot', 'Namespace of the robot, or the beginning of those of several.'),
    'parts': ('all', 'What to start here: all, edge or robots.'),
    'params_file': ('', 'ROS parameter file keyed /** for head and tail; overrides the rest.'),
    'fleet_namespace': ('/fleet', 'Namespace of the topics that the fleet shares.'),
    'bundle': ('demo', 'Name of the bundle.'),
    'bundle_dir': ('', 'Folder of bundles; empty = the default of the nodes.'),
    'bits': ('0', 'Bits of a feature; 0 = those of the bundle.'),
    'deadline': ('0.2', 'Time from the stamp of a picture to its answer, s.'),
    'image_topic': ('image', "The camera's topic, relative to the robot's namespace."),
    'image_transport': ('raw', 'raw or compressed.'),
    'source': ('', 'Pictures instead of a camera: vtest, a video, a folder, a webcam index.'),
    'rate': ('10.0', 'Pictures a second, with source.'),
    'deployment': ('real', 'simulation allows an emulated link.'),
    'loss': ('0.0', 'Share of packets that the emulated link loses.'),
    'use_sim_time': ('false', 'Follow /clock.'),
    'log_level': ('info', 'Log level of the nodes.'),
    'use_respawn': ('false', 'Start nodes again when they die.'),
    'network_profile': ('', 'same-host, wifi, large-data, discovery-server or camera.'),
}


def _nodes(context):
    """Build the nodes; a function because the number of robots is an argument."""
    value = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    if value['parts'] not in ('all', 'edge', 'robots'):
        raise ValueError(f'parts is {value["parts"]!r}: choose all, edge or robots')
    robots = int(value['robots'])
    names = [value['namespace']] if robots == 1 else [
        f'{value["namespace"]}_{index}' for index in range(robots)
    ]  # fmt: skip
    actions = [SetParameter('use_sim_time', value['use_sim_time'] == 'true')]
    if value['network_profile']:  # otherwise each node has its own default
        profile = value['network_profile']
        actions.append(SetEnvironmentVariable('IOT_FL_NETWORK_PROFILE', profile))
    if value['parts'] in ('all', 'edge'):
        link = {'deployment': value['deployment'], 'link.loss': float(value['loss'])}
        actions.append(_node(value, 'tail', {**_common(value), **link}, value['params_file']))
    if value['parts'] in ('all', 'robots'):
        actions += [_robot(value, name) for name in names]
    return actions


def _robot(value, name):
    """Return the nodes of one robot, in its namespace."""
    head = {
        **_common(value),
        'bundle': _text(value['bundle']),
        'bits': int(value['bits']),
        'deadline': float(value['deadline']),
        'image_transport': value['image_transport'],
    }
    compressed = value['image_transport'] == 'compressed'
    topics = [('image', value['image_topic'])]
    topics.append(('image/compressed', value['image_topic'] + '/compressed'))
    nodes = [_node(value, 'head', head, value['params_file'], topics)]
    if value['source']:
        source = {'source': _text(value['source']), 'rate': float(value['rate'])}
        source['compressed'] = compressed
        nodes.append(_node(value, 'image_source', source, '', topics))
    return GroupAction([PushROSNamespace(name), *nodes])


def _node(value, executable, parameters, params_file, remappings=()):
    return Node(
        package='iot_fl_ros',
        executable=executable,
        output='screen',
        respawn=value['use_respawn'] == 'true',
        respawn_delay=2.0,
        arguments=['--ros-args', '--log-level', value['log_level']],
        parameters=[parameters, *([params_file] if params_file else [])],
        remappings=list(remappings),
    )


def _common(value):
    """Return what head and tail share."""
    folder = {'bundle_dir': _text(value['bundle_dir'])} if value['bundle_dir'] else {}
    return {'fleet_namespace': value['fleet_namespace'], **folder}


def _text(value):
    """Return a parameter that stays text even if it looks like a number."""
    return ParameterValue(value, value_type=str)


def generate_launch_description():
    """Return the description of robots and edge."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_nodes)])
