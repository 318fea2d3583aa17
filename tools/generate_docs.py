"""Write the parts of the documentation that the code knows best; `--check` only compares.

docs/state_machines.md comes from the state tables of the machines, docs/api.md from docstrings,
the command line from its parsers, the tables of parameters and topics from the settings classes
and the messages. Needs the installed package.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from generate_api import api_page
from generate_cli import verbs
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from iot_fl_ros.core.config import Setting, settings_of
from iot_fl_ros.core.messages import KINDS, Kind
from iot_fl_ros.federation.settings import AggregatorSettings, LearnerSettings
from iot_fl_ros.federation.states import AGGREGATOR_TABLE, ROBOT_TABLE
from iot_fl_ros.mesh.settings import PeerSettings
from iot_fl_ros.mesh.states import PEER_TABLE
from iot_fl_ros.methods.method import MeshMethod, StarMethod
from iot_fl_ros.methods.registry import DEFAULT_MESH_METHOD, DEFAULT_METHOD, METHODS, methods_of
from iot_fl_ros.nodes.bag_player import PlayerSettings
from iot_fl_ros.nodes.collector import CollectorSettings
from iot_fl_ros.nodes.image_source import ImageSourceSettings
from iot_fl_ros.nodes.recorder import RecorderSettings
from iot_fl_ros.nodes.simulator import SimulatorSettings
from iot_fl_ros.nodes.split_evaluator import EvaluatorSettings
from iot_fl_ros.ros.convert import ROS_TYPES
from iot_fl_ros.ros.topics import publisher_qos, subscription_qos
from iot_fl_ros.split.settings import HeadNodeSettings, TailNodeSettings
from iot_fl_ros.split.states import HEAD_TABLE, SERVICE_TABLE
from iot_fl_ros.token.settings import TramNodeSettings
from iot_fl_ros.token.states import PLACE_TABLE
from iot_fl_ros.world.patrol import PatrolSettings

ROOT = Path(__file__).resolve().parents[1]

PARAMETERS = 'docs/parameters.md'
TOPICS = 'docs/topics.md'
API = 'docs/api.md'
COMMANDS = 'docs/command_line.md'
STATES = 'docs/state_machines.md'
SPLIT = 'docs/split.md'
MESH = 'docs/mesh.md'
TRAM = 'docs/tram.md'
BAGS = 'docs/bags.md'
SIMULATION = 'docs/simulation.md'
OWN_PACKAGE = 'iot_fl_ros.'

Table = Mapping[tuple[Any, str], Any]
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
STATES_HEAD = """\
# State machines

<!-- Written by tools/generate_docs.py from the state tables of the machines. Do not edit. -->

A pair of state and trigger that is not in a table cannot happen; the code raises if it does.
"""
ROBOT_NOTE = """\
The wire value `LEAVING` is not a state of a machine: a robot or peer that is told to end sends one
last status with it.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Write the generated parts, or with `--check` name the stale files and return 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--check', action='store_true', help='write nothing; 1 if out of date')
    parser.add_argument('--root', type=Path, default=ROOT, help='folder of the repository')
    arguments = parser.parse_args(argv)
    stale = stale_files(arguments.root)
    for name, text in stale.items():
        if arguments.check:
            print(f'{name} is out of date: run `make docs`', file=sys.stderr)
        else:
            path = arguments.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            print(f'wrote {name}')
    return 1 if arguments.check and stale else 0


def stale_files(root: Path) -> dict[str, str]:
    """Return what should be in each file of `root` that does not say what the code says."""
    wanted = {
        STATES: states_page(),
        API: api_page(ROOT),
        COMMANDS: with_regions(_text_of(root / COMMANDS), {'verbs': verbs()}),
        PARAMETERS: with_regions(_text_of(root / PARAMETERS), {'parameters': parameters()}),
        TOPICS: with_regions(_text_of(root / TOPICS), {'topics': topics()}),
        SPLIT: with_regions(_text_of(root / SPLIT), {'parameters': split_parameters()}),
        MESH: with_regions(_text_of(root / MESH), {'parameters': mesh_parameters()}),
        TRAM: with_regions(_text_of(root / TRAM), {'parameters': tram_parameters()}),
        BAGS: with_regions(_text_of(root / BAGS), {'parameters': tables_of(BAG_NODES)}),
        SIMULATION: with_regions(
            _text_of(root / SIMULATION), {'parameters': tables_of(WORLD_NODES)}
        ),
    }
    return {name: text for name, text in wanted.items() if _text_of(root / name) != text}


def with_regions(text: str, regions: Mapping[str, str]) -> str:
    """Return `text` with what stands between the markers of each region replaced."""
    for name, content in regions.items():
        begin, end = f'<!-- {name}:begin -->', f'<!-- {name}:end -->'
        if text.count(begin) != 1 or text.count(end) != 1:
            raise SystemExit(f'pages in docs/ need one {begin} and one {end} each')
        before, rest = text.split(begin)
        after = rest.split(end)[1]
        text = f'{before}{begin}\n\n{content}\n{end}{after}'
    return text


# --- state machines ------------------------------------------------------------------------------


def states_page() -> str:
    """Return docs/state_machines.md."""
    return '\n'.join(
        [
            STATES_HEAD,
            *_machine('Aggregator', AGGREGATOR_TABLE),
            '',
            *_machine('Robot', ROBOT_TABLE),
            '',
            *_machine('Peer of a mesh', PEER_TABLE),
            '',
            *_machine('A token, seen from one robot', PLACE_TABLE),
            '',
            *_machine('Head', HEAD_TABLE),
            '',
            *_machine('A robot at the tail', SERVICE_TABLE),
            '',
            ROBOT_NOTE,
        ]
    )


def _machine(title: str, table: Table) -> list[str]:
    """Return heading, diagram and table of transitions of one machine."""
    rows = [(start.name, trigger, end.name) for (start, trigger), end in table.items()]
    return [
        f'## {title}\n',
        '```mermaid',
        *diagram(table),
        '```\n',
        *markdown_table(('state', 'trigger', 'next state'), rows),
    ]


def diagram(table: Table) -> Iterator[str]:
    """Yield the lines of a Mermaid state diagram; the machine starts in the first state."""
    starts = [start for start, _ in table]
    yield 'stateDiagram-v2'
    yield f'    [*] --> {starts[0].name}'
    for (start, trigger), end in table.items():
        yield f'    {start.name} --> {end.name} : {trigger}'
    for end in dict.fromkeys(table.values()):
        if end not in starts:
            yield f'    {end.name} --> [*]'


# --- parameters ----------------------------------------------------------------------------------


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


def split_parameters() -> str:
    """Return the parameter tables of the nodes of split inference."""
    return tables_of(SPLIT_NODES)


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


# --- topics --------------------------------------------------------------------------------------


def topics() -> str:
    """Return the table of topics."""
    columns = (
        'topic',
        'type',
        'sent by',
        'read by',
        'reliability',
        'durability',
        'history of the sender',
        'history of the reader',
    )
    return '\n'.join([*markdown_table(columns, [_topic_row(cls) for cls in KINDS]), ''])


def _topic_row(cls: Kind) -> tuple[str, ...]:
    profile = publisher_qos(cls)
    delivery = cls.DELIVERY
    senders = [role.value for role in delivery.senders]
    takers = [role.value for role in delivery.readers]
    return (
        f'`/<robot>/{cls.TOPIC}`' if delivery.robot_topic else f'`{cls.TOPIC}`',
        f'`iot_fl_ros/msg/{ROS_TYPES[cls].__name__}`',
        ' and '.join(senders),
        ' and '.join(takers) or 'whoever wants it',
        ReliabilityPolicy(profile.reliability).name,
        DurabilityPolicy(profile.durability).name,
        sender_history(cls),
        history(subscription_qos(cls, 1.0)) if takers else '',
    )


def sender_history(cls: Kind) -> str:
    """Return the history of a publisher; its depth may be the number of chunks of a set."""
    single, double = (publisher_qos(cls, chunks) for chunks in (1, 2))
    if single.depth != double.depth:
        return f'{HistoryPolicy(single.history).name}, one for each chunk of the first set'
    return history(single)


def history(profile: QoSProfile) -> str:
    """Return history and depth."""
    if profile.history == HistoryPolicy.KEEP_ALL:
        return 'KEEP_ALL'
    return f'{HistoryPolicy(profile.history).name} {profile.depth}'


# --- text ----------------------------------------------------------------------------------------


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table."""
    return [_row(columns), _row(['---'] * len(columns)), *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    escaped = (cell.replace('|', '\\|') for cell in cells)
    return f'| {" | ".join(escaped)} |'


def _text_of(path: Path) -> str:
    return path.read_text() if path.is_file() else ''


if __name__ == '__main__':
    raise SystemExit(main())
