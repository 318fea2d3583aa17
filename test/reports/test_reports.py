"""Reports: what they import, how they write numbers and tables."""

import json
import math
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

import iot_fl_ros.reports
from iot_fl_ros.reports import markdown
from iot_fl_ros.reports.progress import TrainingProgress, bars
from iot_fl_ros.reports.run_tables import tram_table, world_table
from iot_fl_ros.reports.tables import percent, plus_minus, size
from iot_fl_ros.split.training import Epoch
from iot_fl_ros.studies.study import Study


def test_reports_import_neither_torch_nor_ros(tmp_path):
    names = [module.name for module in pkgutil.iter_modules(iot_fl_ros.reports.__path__)]
    assert len(names) > 10
    code = ''.join(f'import iot_fl_ros.reports.{name}\n' for name in names)
    code += 'import sys; print("\\n".join(sys.modules))'
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert 'matplotlib.pyplot' in loaded
    assert not loaded & {'torch', 'rclpy', 'sensor_msgs', 'iot_fl_ros.msg'}


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        (percent(0.1234), '12.3%'), (percent(None), '-'), (percent(math.nan), '-'),
        (size(None), '-'), (size(999), '999 B'), (size(1000), '1 kB'), (size(2.5e6), '2.5 MB'),
        (size(7e12), '7e+03 GB'),
        (plus_minus(1234.56, 0.04, 1), '1,234.6 ± 0.0'), (plus_minus(-1.05, math.nan, 0), '-1'),
    ],
)  # fmt: skip
def test_numbers_as_text(text, expected):
    assert text == expected


def test_a_page_has_a_head_tables_failures_and_its_figures(tmp_path, monkeypatch):
    lines = markdown.table(['a', 'b'], [['x', '1'], ['y', '2']])
    goal = markdown.GoalResult('x', 'at least 2', '1', False)
    monkeypatch.setattr(Study, 'errors', lambda study, output: {Path('s/a'): 'gone\n## x'})
    study = Study('toy', 'Toy', 'About.\n', ())
    path = markdown.write_page(study, lines, {'x': math.nan}, [goal], tmp_path, tmp_path)
    assert path.read_text() == (
        '# Toy\n\nMade by `iot-fl study toy`; do not edit.\n\nAbout.\n\n0 of 0 runs are done.\n\n'
        '| a | b |\n| --- | ---: |\n| x | 1 |\n| y | 2 |\n'
        '## Runs that failed\n\n- `s/a`: gone ## x\n'
    )
    assert json.loads((tmp_path / 'toy.json').read_text()) == {
        'study': 'toy', 'runs': {'done': 0, 'wanted': 0}, 'results': {'x': None},
        'goals': [{'name': 'x', 'goal': 'at least 2', 'measured': '1', 'met': False}],
    }  # fmt: skip


def test_epochs_are_lines_where_there_is_no_terminal(capsys):
    console = Console(width=80)
    with bars(console) as progress, TrainingProgress(console, progress) as shown:
        shown('base', Epoch(1, 2, 0.5))
    assert 'base: epoch 1/2, loss 0.500' in capsys.readouterr().out


def test_epochs_of_a_step_join_bars_that_are_there():
    console = Console(force_terminal=True, quiet=True)
    with bars(console) as progress:
        progress.add_task('runs', total=3)
        with TrainingProgress(console, progress) as shown:
            for number in (1, 2):
                shown('base', Epoch(number, 2, 0.25))
        assert progress.live.is_started, 'they belong to somebody else'
        assert [(task.description, task.completed) for task in progress.tasks] == [
            ('runs', 0), ('base, loss 0.250', 2),
        ]  # fmt: skip


def cells(table):
    return [list(column.cells) for column in table.columns]


def test_the_table_of_tokens_says_how_busy_robots_were():
    run = {
        'accuracy': None, 'updates': 1200, 'merged': 1, 'bytes': 3e6, 'seconds': 10.0,
        'train_seconds': 8.0, 'robots': 4, 'joules': {'idle': 5.0, 'compute': 2.0},
        'joules_active': 2.0,
    }  # fmt: skip
    columns = cells(tram_table({'1 token': run}))
    assert [column[0] for column in columns] == [
        '1 token', '-', '1,200', '1', '3', '10', '20.0%', '7', '2',
    ]  # fmt: skip


def test_the_table_of_a_hall_ends_with_means():
    samples = {'robot_0': {'own': {'Bag': 3}, 'others': 9}, 'robot_1': {'own': {}, 'others': 4}}
    columns = cells(world_table(samples, {'alone': {'robot_0': 0.2, 'robot_1': 0.4}}))
    assert columns[1] == ['3 Bag', '', '']
    assert columns[3] == ['20.0%', '40.0%', '30.0%']
