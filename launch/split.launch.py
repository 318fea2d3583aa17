"""Split inference: one edge and N robots, each with a head and, if wanted, pictures of a file.

On a real fleet start the parts where they belong: parts:=robots on robots, parts:=edge elsewhere.
"""

from launch import LaunchDescription
from launch.actions import GroupAction, OpaqueFunction
from launch_ros.actions import PushROSNamespace

from iot_fl_ros.ros.launching import (
    AUTOSTART,
    USUAL,
    declare,
    everywhere,
    is_true,
    our_node,
    parameter_file,
    text,
    values,
)

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
    **AUTOSTART,
    **USUAL,
    'network_profile': (
        '',
        'Fast DDS settings, see docs/network.md; empty = the default of each node.',
        ('', *USUAL['network_profile'][2]),
    ),
}


def _nodes(context):
    """Build the nodes; a function because the number of robots is an argument."""
    value = values(context, ARGUMENTS)
    if value['parts'] not in ('all', 'edge', 'robots'):
        raise ValueError(f'parts is {value["parts"]!r}: choose all, edge or robots')
    robots = int(value['robots'])
    names = [value['namespace']] if robots == 1 else [
        f'{value["namespace"]}_{index}' for index in range(robots)
    ]  # fmt: skip
    nodes = []
    if value['parts'] in ('all', 'edge'):
        nodes.append(_tail(value))
    if value['parts'] in ('all', 'robots'):
        nodes += [_robot(value, name) for name in names]
    return [GroupAction([*everywhere(), *nodes])]


def _tail(value):
    """Return the node of the edge."""
    link = {'deployment': value['deployment'], 'link.loss': float(value['loss'])}
    return our_node('tail', 'edge', [{**_common(value), **link}, *_params_file(value)])


def _robot(value, name):
    """Return the nodes of one robot, in its namespace."""
    head = {
        **_common(value),
        'bundle': text(value['bundle']),
        'bits': int(value['bits']),
        'deadline': float(value['deadline']),
        'image_transport': value['image_transport'],
    }
    topics = [('image', value['image_topic'])]
    topics.append(('image/compressed', value['image_topic'] + '/compressed'))
    nodes = [our_node('head', name, [head, *_params_file(value)], remappings=topics)]
    if value['source']:
        source = {
            'source': text(value['source']),
            'rate': float(value['rate']),
            'compressed': value['image_transport'] == 'compressed',
            'autostart': is_true('autostart', value['autostart']),
        }
        nodes.append(our_node('image_source', name, [source], remappings=topics))
    return GroupAction([PushROSNamespace(name), *nodes])


def _params_file(value):
    """Return the parameter file, which overrides the rest, if there is one."""
    return [parameter_file(value['params_file'])] if value['params_file'] else []


def _common(value):
    """Return what head and tail share."""
    folder = {'bundle_dir': text(value['bundle_dir'])} if value['bundle_dir'] else {}
    autostart = is_true('autostart', value['autostart'])
    return {'fleet_namespace': value['fleet_namespace'], 'autostart': autostart, **folder}


def generate_launch_description():
    """Return the description of robots and edge."""
    return LaunchDescription([*declare(ARGUMENTS), OpaqueFunction(function=_nodes)])
