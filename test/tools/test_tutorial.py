"""Pages of docs/ are run as printed: files written, commands done."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from own_pictures import make_folders

pytest.importorskip('rclpy')

DOCS = Path(__file__).resolve().parents[2] / 'docs'
_BLOCK = re.compile(r'^```(\w+)\n(.*?)^```$', re.MULTILINE | re.DOTALL)
_FILE = re.compile(r'# (\S+\.(?:py|yaml))\n')
_MODULE = re.compile(r'"""(my_fleet/\w+\.py)"""')
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
    for kind, content in blocks((DOCS / 'tutorial_method.md').read_text()):
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


@pytest.mark.slow
def test_own_pictures_are_learned_as_the_page_says(tmp_path: Path) -> None:
    make_folders(tmp_path, 0)
    page, commands = (DOCS / 'own_data.md').read_text(), 0
    for kind, content in blocks(page):
        name = _FILE.match(content)
        if name:
            (tmp_path / name[1]).write_text(content)
        elif kind == 'console':
            run(content.removeprefix('$ ').strip(), tmp_path)
            commands += 1
    assert commands == 2
    summary = json.loads((tmp_path / 'runs' / 'own' / 'summary.json').read_text())
    assert summary['accuracy'] > 0.8
    (said,) = re.findall(r'best accuracy (\d\d\.\d)%', page)
    assert 100 * summary['accuracy'] == pytest.approx(float(said), abs=8)
    log = (tmp_path / 'runs' / 'own' / 'log' / 'robot_1.log').read_text()
    assert '240 private samples of 3 of 5 classes: 80 box, 80 cross, 80 ring' in log


def test_the_package_of_the_page_about_extending_runs(tmp_path: Path) -> None:
    (tmp_path / 'my_fleet').mkdir()
    (tmp_path / 'my_fleet' / '__init__.py').touch()
    for kind, content in blocks((DOCS / 'extending.md').read_text()):
        name = _MODULE.match(content) or _FILE.match(content)
        if name:
            (tmp_path / name[1]).write_text(content)
        elif kind == 'python':
            (tmp_path / 'test_my_fleet.py').write_text(content)
    run('python -m pytest -q test_my_fleet.py', tmp_path)
    run('PYTHONPATH=. iot-fl simulate --robots 3 --params params.yaml --output run', tmp_path)
    command = (
        'PYTHONPATH=. iot-fl models --shape 3 32 32 --split-points my_fleet.resnet:tiny_resnet'
    )
    assert '16x32x32 + 16x32x32' in run(command, tmp_path)
