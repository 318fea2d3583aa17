"""The tables of parameters, from the settings classes of nodes and methods."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

from markdown_table import markdown_table

from iot_fl_ros.core.config import Setting, settings_of
from iot_fl_ros.federation.settings import AggregatorSettings, LearnerSettings
from iot_fl_ros.mesh.settings import PeerSettings
from iot_fl_ros.methods.method import MeshMethod, StarMethod
from iot_fl_ros.methods.registry import DEFAULT_MESH_METHOD, DEFAULT_METHOD, METHODS, methods_of
from iot_fl_ros.nodes.bag_player import PlayerSettings
from iot_fl_ros.nodes.collector import CollectorSettings
from iot_fl_ros.nodes.image_source import ImageSourceSettings
from iot_fl_ros.nodes.recorder import RecorderSettings
from iot_fl_ros.nodes.simulator import SimulatorSettings
from iot_fl_ros.nodes.split_evaluator import EvaluatorSettings
from iot_fl_ros.split.settings import HeadNodeSettings, TailNodeSettings
from iot_fl_ros.token.settings import TramNodeSettings
from iot_fl_ros.world.patrol import PatrolSettings

OWN_PACKAGE = 'iot_fl_ros.'
SPLIT_NODES = {
    'head': HeadNodeSettings,
    'tail': TailNodeSettings,
    'image_source': ImageSourceSettings,
    'split_evaluator': EvaluatorSettings,
}
BAG_NODES = {'recorder': RecorderSettings, 'bag_player': PlayerSettings}
WORLD_NODES = {
    'simulator': SimulatorSettings,
    'patrol': PatrolSettings,
    'collector': CollectorSettings,
}
# Lifecycle nodes among them.
MANAGED = ('head', 'tail', 'recorder', 'image_source', 'simulator', 'collector')
ROS_KINDS = {bool: 'bool', int: 'integer', float: 'double', str: 'string', list: 'string array'}
# Declared by the nodes themselves, because they belong to no settings class.
METHOD_NAME = Setting(
    'method.name',
    str,
    DEFAULT_METHOD,
    'Method registry name or `module:name`.',
    None,
    None,
    (),
)
PEER_METHOD_NAME = dataclasses.replace(METHOD_NAME, default=DEFAULT_MESH_METHOD)
AUTOSTART = Setting(
    'autostart',
    bool,
    True,
    'Configure and activate the node when its process starts.',
    None,
    None,
    (),
)


def parameters() -> str:
    """Return the parameter tables of both nodes and of each method of this package."""
    lines = ['## Parameters of the aggregator\n']
    lines += parameter_table([*settings_of(AggregatorSettings), METHOD_NAME, AUTOSTART])
    for name, settings in own_methods(StarMethod):
        lines += [f'\nWith `method.name: {name}`:\n']
        lines += parameter_table(settings_of(settings, 'method.'))
    lines += ['\n## Parameters of the learner\n']
    lines += parameter_table([*settings_of(LearnerSettings), AUTOSTART])
    return '\n'.join([*lines, ''])


def mesh_parameters() -> str:
    """Return the parameter tables of a peer and of each method of a mesh."""
    lines = parameter_table([*settings_of(PeerSettings), PEER_METHOD_NAME, AUTOSTART])
    for name, settings in own_methods(MeshMethod):
        lines += [f'\nWith `method.name: {name}`:\n']
        lines += parameter_table(settings_of(settings, 'method.'))
    return '\n'.join([*lines, ''])


def tram_parameters() -> str:
    """Return the parameter table of a robot of a Tram-FL fleet."""
    return '\n'.join([*parameter_table([*settings_of(TramNodeSettings), AUTOSTART]), ''])


def tables_of(nodes: Mapping[str, type]) -> str:
    """Return a parameter table for each node."""
    lines: list[str] = []
    for node, settings in nodes.items():
        own = [AUTOSTART] if node in MANAGED else []
        rows = parameter_table([*settings_of(settings), *own])
        lines += [f'### Parameters of `{node}`\n', *rows, '']
    return '\n'.join(lines)


def own_methods(kind: type) -> Iterator[tuple[str, type]]:
    """Yield name and settings class of the methods of this package, without installed plug-ins."""
    for name in methods_of(kind):
        method = METHODS.get(name)
        if method.__module__.startswith(OWN_PACKAGE):
            yield name, method.Settings


def parameter_table(settings: Iterable[Setting]) -> list[str]:
    """Return the lines of a table of settings."""
    rows = [
        (f'`{s.name}`', ros_kind(s), f'`{default_text(s)}`', range_text(s), s.doc)
        for s in settings
    ]
    return markdown_table(('name', 'type', 'default', 'range or choices', 'description'), rows)


def ros_kind(item: Setting) -> str:
    """Return the type of the ROS parameter of a setting."""
    if item.kind is list and item.default and isinstance(item.default[0], int):
        return 'integer array'
    return ROS_KINDS[item.kind]


def default_text(item: Setting) -> str:
    """Return the default as a parameter file would have it."""
    return str(item.default).lower() if item.kind is bool else repr(item.default)


def range_text(item: Setting) -> str:
    """Return choices or inclusive bounds for people."""
    if item.choices:
        return ', '.join(f'`{choice}`' for choice in item.choices)
    if item.minimum is not None and item.maximum is not None:
        return f'{item.minimum:g} to {item.maximum:g}'
    if item.minimum is not None:
        return f'at least {item.minimum:g}'
    return '' if item.maximum is None else f'at most {item.maximum:g}'
