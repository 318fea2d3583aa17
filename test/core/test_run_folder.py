"""A folder has one owner and one run."""

import subprocess
import sys

import pytest
import yaml

from iot_fl_ros.core.errors import ConfigError, IotFlError
from iot_fl_ros.core.run_folder import check_same_run, own, release

OTHER = """
import sys
from pathlib import Path
from iot_fl_ros.core.errors import IotFlError
from iot_fl_ros.core.run_folder import own
try:
    own(Path(sys.argv[1]))
except IotFlError as error:
    print(error)
else:
    print('mine')
"""
CONFIG = {
    'run': {'name': 'a', 'rounds': 3, 'seed': 1},
    'method': {'name': 'dsfl', 'learning_rate': 0.1, 'classes': ['x', 'y']},
    'node': {'threads': 1},
}


USUAL = {'method': {'name': '', 'learning_rate': 0.1}}


def elsewhere(folder):
    """Return what another process says that wants the folder."""
    done = subprocess.run(
        [sys.executable, '-c', OTHER, str(folder)], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_second_process_is_refused_until_the_first_gives_it_back(tmp_path):
    folder = tmp_path / 'run'
    own(folder)
    own(folder)  # it is mine already
    said = elsewhere(folder)
    assert 'is in use by process' in said
    assert 'choose another folder' in said
    release(folder)
    release(folder)
    assert elsewhere(folder) == 'mine'
    own(folder)  # a process that has ended owns nothing
    release(folder)


def config_of(folder, **changes):
    nested = {**CONFIG, **changes}
    (folder / 'config.yaml').write_text(yaml.safe_dump(nested))


def test_a_run_may_go_on_with_more_rounds_and_other_clocks(tmp_path):
    check_same_run(tmp_path, CONFIG, USUAL)
    config_of(tmp_path, run={'name': 'a', 'rounds': 9, 'seed': 1}, node={'threads': 4})
    check_same_run(tmp_path, CONFIG, USUAL)


@pytest.mark.parametrize(
    ('changes', 'said'),
    [
        ({'run': {'name': 'b', 'rounds': 3, 'seed': 1}}, "run.name was 'b', is 'a'"),
        ({'run': {'name': 'a', 'rounds': 3, 'seed': 2}}, 'run.seed was 2, is 1'),
        ({'method': {'name': 'fedavg', 'topk': 0.1}}, "method.name was 'fedavg', is 'dsfl'; ch"),
        ({'method': {'name': 'dsfl'}}, r'method.classes was not set, is \[.x., .y.\]'),
    ],
)
def test_another_run_is_refused_by_what_differs(tmp_path, changes, said):
    config_of(tmp_path, **changes)
    before = (tmp_path / 'config.yaml').read_bytes()
    with pytest.raises(ConfigError, match=said) as raised:
        check_same_run(tmp_path, CONFIG, USUAL)
    assert 'choose another run.output' in str(raised.value)
    assert (tmp_path / 'config.yaml').read_bytes() == before


@pytest.mark.parametrize('content', [b'\xff{', b'', b'- 1\n'])
def test_a_damaged_config_is_named(tmp_path, content):
    (tmp_path / 'config.yaml').write_bytes(content)
    with pytest.raises(IotFlError, match=r'config\.yaml is damaged'):
        check_same_run(tmp_path, CONFIG, USUAL)


def test_a_setting_that_was_added_since_was_as_usual(tmp_path):
    config_of(tmp_path, method={'name': 'dsfl', 'classes': ['x', 'y']})
    check_same_run(tmp_path, CONFIG, USUAL)
    now = {**CONFIG, 'method': {**CONFIG['method'], 'learning_rate': 0.5}}
    with pytest.raises(ConfigError, match=r'method\.learning_rate was 0\.1, is 0\.5'):
        check_same_run(tmp_path, now, USUAL)


@pytest.mark.parametrize('below', ['', 'runs/first'])
def test_a_file_where_a_folder_is_to_be_is_named(tmp_path, below):
    (tmp_path / 'file').write_text('')
    with pytest.raises(ConfigError, match=f'^{tmp_path}/file is a file: choose a folder'):
        own(tmp_path / 'file' / below)
