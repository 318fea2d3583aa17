"""docs/state_machines.md: a diagram and a table of transitions of each machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from markdown_table import markdown_table

from iot_fl_ros.federation.states import AGGREGATOR_TABLE, ROBOT_TABLE
from iot_fl_ros.mesh.states import PEER_TABLE
from iot_fl_ros.split.states import HEAD_TABLE, SERVICE_TABLE
from iot_fl_ros.token.states import PLACE_TABLE

Table = Mapping[tuple[Any, str], Any]
STATES_HEAD = """\
# State machines

<!-- Written by tools/generate_docs.py from the state tables of the machines. Do not edit. -->

A pair of state and trigger that is not in a table cannot happen; the code raises if it does.
"""
ROBOT_NOTE = """\
The wire value `LEAVING` is not a state of a machine: a robot or peer that is told to end sends one
last status with it.
"""


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
