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
    check_same_run(tmp_path, CONFIG)
    config_of(tmp_path, run={'name': 'a', 'rounds': 9, 'seed': 1}, node={'threads': 4})
    check_same_run(tmp_path, CONFIG)


@pytest.mark.parametrize(
    ('changes', 'said'),
    [
        ({'run': {'name': 'b', 'rounds': 3, 'seed': 1}}, "run.name was 'b', is 'a'"),
        ({'run': {'name': 'a', 'rounds': 3, 'seed': 2}}, 'run.seed was 2, is 1'),
        ({'method': {'name': 'fedavg'}}, "method.name was 'fedavg', is 'dsfl'"),
        ({'method': {'name': 'dsfl'}}, r'method.classes was not set, is \[.x., .y.\]'),
    ],
)
def test_another_run_is_refused_by_what_differs(tmp_path, changes, said):
    config_of(tmp_path, **changes)
    before = (tmp_path / 'config.yaml').read_bytes()
    with pytest.raises(ConfigError, match=said) as raised:
        check_same_run(tmp_path, CONFIG)
    assert 'choose another run.output' in str(raised.value)
    assert (tmp_path / 'config.yaml').read_bytes() == before


def test_a_damaged_config_is_named(tmp_path):
    (tmp_path / 'config.yaml').write_bytes(b'\xff{')
    with pytest.raises(IotFlError, match=r'config\.yaml is damaged'):
        check_same_run(tmp_path, CONFIG)
