"""docs/tutorial_method.md is run as it is printed: files are written, commands carried out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip('rclpy')

PAGE = Path(__file__).resolve().parents[2] / 'docs' / 'tutorial_method.md'
_BLOCK = re.compile(r'^```(\w+)\n(.*?)^```$', re.MULTILINE | re.DOTALL)
_FILE = re.compile(r'# (\S+\.(?:py|yaml))\n')
_ACCURACY = re.compile(r'(\d\d\.\d)%')


def blocks(text: str) -> list[tuple[str, str]]:
    return _BLOCK.findall(text)


def run(command: str, folder: Path) -> str:
    """Run a command of the page with the tools of this environment; return what it printed."""
    bin_folder = str(Path(sys.executable).parent)
    env = {**os.environ, 'PATH': f'{bin_folder}:{os.environ["PATH"]}', 'COLUMNS': '100'}
    done = subprocess.run(
        command, shell=True, cwd=folder, env=env, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, f'{command}\n{done.stdout}\n{done.stderr}'
    return done.stdout


def test_every_block_runs_and_learns_what_the_page_says(tmp_path: Path) -> None:
    printed, compared, commands = '', 0, 0
    for kind, content in blocks(PAGE.read_text()):
        if kind in ('python', 'yaml'):
            name = _FILE.match(content)
            assert name, f'a block of {kind} does not name its file'
            (tmp_path / name[1]).write_text(content)
        elif kind == 'console':
            for line in content.splitlines():
                assert line.startswith('$ ')
                printed = run(line[2:], tmp_path)
                commands += 1
        else:
            # Another processor may round in another way.
            said = [float(figure) for figure in _ACCURACY.findall(content)]
            found = [float(figure) for figure in _ACCURACY.findall(printed)]
            assert len(said) == len(found)
            assert found == pytest.approx(said, abs=6)
            compared += len(found)
    assert commands == 5
    assert compared == 4
