"""The command line starts fast: it imports the chosen verb alone, and torch only to use it."""

import ast
import importlib.util
import os
import subprocess
import sys

import pytest

from iot_fl_ros.cli.main import VERBS

WITHOUT = ('torch', 'matplotlib')


@pytest.fixture(scope='module')
def environment(tmp_path_factory):
    """An environment in which torch and matplotlib cannot be imported."""
    folder = tmp_path_factory.mktemp('broken')
    for name in WITHOUT:
        (folder / f'{name}.py').write_text(f'raise ImportError("{name} is broken")\n')
    return {**os.environ, 'PYTHONPATH': str(folder), 'COLUMNS': '200'}


def iot_fl(environment, *arguments):
    command = [sys.executable, '-m', 'iot_fl_ros.cli.main', *arguments]
    # Elsewhere: in the source folder the sources would hide the installation.
    folder = environment['PYTHONPATH']
    return subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=120
    )


def test_the_table_holds_the_first_line_of_every_verb():
    for verb, summary in VERBS.items():
        spec = importlib.util.find_spec(f'iot_fl_ros.cli.{verb.replace("-", "_")}')
        with open(spec.origin) as file:
            assert ast.get_docstring(ast.parse(file.read())).splitlines()[0] == summary


def test_help_lists_all_verbs_without_torch_and_matplotlib(environment):
    done = iot_fl(environment, '--help')
    assert (done.returncode, done.stderr) == (0, '')
    for verb, summary in VERBS.items():
        assert verb in done.stdout
        assert summary in done.stdout


def test_doctor_shows_its_table_without_torch_and_matplotlib(environment):
    done = iot_fl(environment, 'doctor')
    assert done.stderr == ''
    for check in ('ROS 2', 'messages', 'multicast', 'shared memory', 'discovery', 'clock'):
        assert f'│ {check} ' in done.stdout
    assert 'a message survives serialization' in done.stdout
    assert done.returncode == int('FAILED' in done.stdout)


@pytest.mark.parametrize('verb', VERBS)
def test_the_help_of_a_verb_needs_neither(environment, verb):
    done = iot_fl(environment, verb, '--help')
    assert done.returncode == 0, done.stderr
    assert f'usage: iot-fl {verb}' in done.stdout


def test_help_imports_no_verb(tmp_path):
    code = (
        'import sys\n'
        'from iot_fl_ros.cli.main import main\n'
        'try:\n'
        '    main(["--help"])\n'
        'except SystemExit:\n'
        '    print("\\n".join(sys.modules), file=sys.stderr)\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    loaded = set(done.stderr.split())
    assert 'iot_fl_ros.cli.main' in loaded
    assert not loaded & {*WITHOUT, 'numpy', 'rclpy', 'rich', 'yaml'}
    own = {name for name in loaded if name.startswith('iot_fl_ros.')}
    assert own <= {
        'iot_fl_ros.cli',
        'iot_fl_ros.cli.main',
        'iot_fl_ros.core',
        'iot_fl_ros.core.errors',
    }
