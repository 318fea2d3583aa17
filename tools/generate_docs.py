"""Write the parts of the documentation that the code knows best; `--check` only compares.

docs/state_machines.md comes from the state tables of the machines, docs/api.md from docstrings,
the command line from its parsers, the tables of parameters and topics from the settings classes
and the messages. Needs the installed package.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from generate_api import api_page
from generate_cli import verbs
from generate_parameters import (
    BAG_NODES,
    SPLIT_NODES,
    WORLD_NODES,
    mesh_parameters,
    parameters,
    tables_of,
    tram_parameters,
)
from generate_states import states_page
from generate_topics import topics

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
        SPLIT: with_regions(_text_of(root / SPLIT), {'parameters': tables_of(SPLIT_NODES)}),
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


def _text_of(path: Path) -> str:
    return path.read_text() if path.is_file() else ''


if __name__ == '__main__':
    raise SystemExit(main())
