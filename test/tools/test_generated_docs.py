"""The generated parts of the documentation say what the code says."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from types import ModuleType

import pytest

from iot_fl_ros.federation.states import AGGREGATOR_TABLE, ROBOT_TABLE

pytest.importorskip('rclpy')

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def generator() -> ModuleType:
    return importlib.import_module('generate_docs')


@pytest.fixture
def copy(generator: ModuleType, tmp_path: Path) -> Path:
    (tmp_path / 'docs').mkdir()
    pages = (generator.SPLIT, generator.MESH, generator.TRAM, generator.BAGS, generator.SIMULATION)
    tables = (generator.PARAMETERS, generator.TOPICS, generator.COMMANDS)
    for name in (generator.API, generator.STATES, *tables, *pages):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_files_are_up_to_date(generator: ModuleType) -> None:
    assert list(generator.stale_files(ROOT)) == []
    assert generator.main(['--check', '--root', str(ROOT)]) == 0


@pytest.mark.parametrize(
    ('file', 'old', 'new'),
    [
        ('docs/state_machines.md', 'enough robots', 'too few robots'),
        (
            'docs/parameters.md',
            '`run.rounds` | integer | `10` |',
            '`run.rounds` | integer | `11` |',
        ),
        ('docs/topics.md', '| `robot_status` |', '| `robot_state` |'),
        ('docs/api.md', '#### `StarMethod`', '#### `Star`'),
        ('docs/command_line.md', '| `--robots ROBOTS` |', '| `--bots ROBOTS` |'),
        ('docs/split.md', '| `max_batch` |', '| `batch` |'),
        ('docs/mesh.md', '| `mesh.graph` |', '| `mesh.shape` |'),
    ],
)
def test_tampering_is_found_and_mended(
    generator: ModuleType,
    copy: Path,
    capsys: pytest.CaptureFixture[str],
    file: str,
    old: str,
    new: str,
) -> None:
    before = (copy / file).read_text()
    replace(copy / file, old, new)
    tampered = (copy / file).read_text()
    assert generator.main(['--check', '--root', str(copy)]) == 1
    assert capsys.readouterr().err.startswith(f'{file} is out of date')
    assert (copy / file).read_text() == tampered
    assert generator.main(['--root', str(copy)]) == 0
    assert (copy / file).read_text() == before


def test_missing_page_is_found(generator: ModuleType, copy: Path) -> None:
    (copy / generator.STATES).unlink()
    assert list(generator.stale_files(copy)) == [generator.STATES]


def test_missing_markers_are_refused(generator: ModuleType, copy: Path) -> None:
    replace(copy / generator.TOPICS, '<!-- topics:end -->', '')
    with pytest.raises(SystemExit, match='topics:end'):
        generator.stale_files(copy)


def test_every_transition_is_drawn(generator: ModuleType) -> None:
    states = importlib.import_module('generate_states')
    lines = list(states.diagram(ROBOT_TABLE))
    assert len(lines) == 2 + len(ROBOT_TABLE)
    assert lines[1] == '    [*] --> JOINING'
    assert '    FINISHED --> [*]' in list(states.diagram(AGGREGATOR_TABLE))
