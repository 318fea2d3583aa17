"""Commands of README and docs that begin a run name data, as there are none by default."""

import argparse
import importlib
import re
import shlex
from pathlib import Path

import pytest

from iot_fl_ros.cli.options import flat_settings_of

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]
_COMMAND = re.compile(r'iot-fl (run|simulate|mesh) ((?:[^`#\n\\]|\\\n)*)')
COMMANDS = sorted(
    {
        (page.name, found[1], found[2].replace('\\\n', ' ').strip())
        for page in PAGES
        for found in _COMMAND.finditer(page.read_text())
        if found[2].startswith('--robots') and '...' not in found[2]
    }
)


@pytest.mark.parametrize(('page', 'verb', 'rest'), COMMANDS)
def test_a_documented_command_has_data(page, verb, rest):
    parser = argparse.ArgumentParser()
    importlib.import_module(f'iot_fl_ros.cli.{verb}').add_arguments(parser)
    arguments = parser.parse_args(shlex.split(rest))
    if arguments.params and arguments.params.suffix and not arguments.params.is_file():
        return  # a file that the page has the reader write
    flat = flat_settings_of(arguments)
    assert flat.get('data.private')
    assert flat.get('data.test')


def test_there_are_such_commands():
    assert len([verb for page, verb, _ in COMMANDS if page == 'README.md']) >= 3
