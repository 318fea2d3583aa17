"""Runs of any study: done at once or several at a time, kept, and told if it failed."""

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from iot_fl_ros.cli.main import main
from iot_fl_ros.core.errors import ConfigError, DataError
from iot_fl_ros.reports import kinds
from iot_fl_ros.studies.runner import read_kept, run_tasks


@dataclass(frozen=True)
class Toy:
    """Doubles a number; three is bad luck."""

    number: int
    section: str = 'all'

    @property
    def path(self):
        return Path(str(self.number))

    def done(self, output):
        return (output / self.path).is_file()

    def do(self, output, progress):
        if progress:
            progress('toy', self.number)
        if self.number == 3:
            raise DataError('three')
        return 2 * self.number

    def keep(self, output, result, error):
        (output / self.path).write_text(error or str(result))


@pytest.mark.parametrize('jobs', [1, 2])
def test_every_task_is_kept_and_failures_are_told(tmp_path, jobs):
    tasks = [Toy(number) for number in range(5)]
    ended = dict(run_tasks(tasks, tmp_path, jobs))
    assert list(ended) == tasks
    assert [task for task, error in ended.items() if error] == [Toy(3)]
    assert [(tmp_path / str(n)).read_text() for n in range(5)] == ['0', '2', '4', 'three', '8']


def test_a_task_is_kept_before_the_next_begins(tmp_path):
    ended = run_tasks([Toy(1), Toy(2)], tmp_path, 1)
    next(ended)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['1']


def test_epochs_are_told_by_one_job(tmp_path):
    told = []
    list(run_tasks([Toy(1)], tmp_path, 1, progress=lambda *epoch: told.append(epoch)))
    assert told == [('toy', 1)]


def test_ray_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'ray', None)
    with pytest.raises(ConfigError, match='--backend ray needs Ray'):
        list(run_tasks([Toy(1)], tmp_path, 1, 'ray'))


def test_kept_results_of_other_settings_do_not_count(tmp_path):
    path = tmp_path / 'kept.json'
    assert read_kept(path, 'a') == {}
    path.write_text('{"digest": "a", "rows": [1]}')
    assert read_kept(path, 'a')['rows'] == [1]
    assert read_kept(path, 'b') == {}


def test_an_unknown_kind_is_named():
    with pytest.raises(ConfigError, match="did you mean 'selection'"):
        kinds.kind_of({'kind': 'selektion'})


@pytest.mark.parametrize('name', kinds.KINDS)
def test_the_functions_of_every_kind_are_there(name):
    for function in kinds.KINDS[name]:
        assert callable(function)


def test_a_study_of_which_nothing_went_well_fails(toy_settings, tmp_path, capsys):
    methods = {'a': {'data.private': 'gone.npz'}, 'b': {'data.private': 'gone.npz'}}
    tree = {'settings': toy_settings, 'sections': {'s': {'robots': 2, 'methods': methods}}}
    (tmp_path / 'bad.yaml').write_text(yaml.safe_dump(tree))
    command = ['study', str(tmp_path / 'bad.yaml'), '--output', str(tmp_path / 'out')]
    assert main([*command, '--jobs', '1']) == 1
    assert capsys.readouterr().out.count('failed s/all/') == 2
