"""The verbs that need no other process."""

import argparse
import fcntl
import json
from functools import partial

import numpy as np
import pytest
from PIL import Image

from iot_fl_ros.cli.main import VERBS, HelpWithDefaults, main
from iot_fl_ros.core.run_files import read_events
from iot_fl_ros.core.run_folder import release
from iot_fl_ros.core.store import FolderStore
from iot_fl_ros.data import pictures, weights
from iot_fl_ros.methods.fedavg import FedAvg


@pytest.fixture
def arguments(toy_settings, tmp_path):
    sets = [f'--set={name}={value}' for name, value in toy_settings.items()]
    return ['simulate', '--robots', '3', '--output', str(tmp_path / 'sim'), *sets]


def test_simulate_writes_the_files_of_a_run(arguments, tmp_path, capsys):
    assert main(arguments) == 0
    folder = tmp_path / 'sim'
    assert {p.name for p in folder.iterdir()} >= {
        'config.yaml', 'events.jsonl', 'summary.json', 'checkpoints',
        'accuracy_bytes.png', 'accuracy_rounds.png',
    }  # fmt: skip
    summary = json.loads((folder / 'summary.json').read_text())
    assert summary['rounds'] == 3
    assert summary['accuracy'] == max(
        r['accuracy'] for r in read_events(folder) if r['kind'] == 'round'
    )
    assert 'dsfl' in capsys.readouterr().out


def test_a_robot_of_a_simulated_fleet_has_settings_of_its_own(arguments, tmp_path):
    (tmp_path / 'own.yaml').write_text(
        '/**:\n  ros__parameters: {run.rounds: 1}\n'
        '/robot_1/**:\n  ros__parameters: {data.private: /nowhere/at/all}\n'
    )
    assert main([*arguments, '--params', str(tmp_path / 'own.yaml')]) == 0
    refused = [row for row in read_events(tmp_path / 'sim') if row['kind'] == 'refused']
    assert [row['robot'] for row in refused] == ['robot_1']
    assert '/nowhere' in refused[0]['reason']


def test_simulate_resumes_after_its_checkpoint(arguments, tmp_path):
    assert main(arguments) == 0
    whole = [r for r in read_events(tmp_path / 'sim') if r['kind'] == 'round']
    assert main([*arguments, '--set=run.rounds=5']) == 0
    longer = [r for r in read_events(tmp_path / 'sim') if r['kind'] == 'round']
    assert [row['round'] for row in longer] == [1, 2, 3, 4, 5]
    assert [row['accuracy'] for row in longer[:3]] == [row['accuracy'] for row in whole]


def test_a_run_that_begins_anew_forgets_the_checkpoint_of_the_former_one(
    arguments, tmp_path, monkeypatch
):
    assert main(arguments) == 0
    store = FolderStore(tmp_path / 'sim/checkpoints')
    anew = [*arguments, '--set=run.resume=false', '--set=run.rounds=1']
    assert main([*anew, '--set=data.test=gone.npz']) == 2
    assert store.read()[0]['round'] == 3, 'it has not begun'
    monkeypatch.setattr(FolderStore, 'write', lambda store, manifest, tensors: None)
    assert main(anew) == 0
    assert store.read() is None


def test_the_folder_of_another_run_or_process_is_left_as_it_is(arguments, tmp_path, capsys):
    assert main(arguments) == 0
    folder = tmp_path / 'sim'
    paths = [path for path in folder.rglob('*') if path.is_file()]
    before = {path: path.read_bytes() for path in paths}
    assert main([*arguments, '--set=data.seed=7']) == 2
    assert 'data.seed was 0, is 7' in capsys.readouterr().err
    release(folder)
    with (folder / '.owner').open() as file:  # a lock of its own, as that of another process
        fcntl.flock(file, fcntl.LOCK_EX)
        assert main([*arguments, '--set=run.resume=false']) == 2
    assert 'is in use by process' in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in paths}


@pytest.mark.parametrize(
    ('verb', 'part'),
    [
        ('demo', 'dsfl'), ('demo-mesh', 'cmfd'), ('demo-tram', 'tokens_1'), ('demo-sim', 'alone'),
        ('demo-split', 'bundles'), ('study', 'bytes'),
    ],
)  # fmt: skip
def test_what_another_process_works_on_is_not_deleted(verb, part, tmp_path, capsys):
    kept = tmp_path / part / 'summary.json'
    kept.parent.mkdir()
    kept.write_text('{}')
    (tmp_path / '.owner').touch()
    command = [verb, *(['traffic'] if verb == 'study' else []), '--output', str(tmp_path)]
    with (tmp_path / '.owner').open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert main(command) == 2
    assert 'is in use by process' in capsys.readouterr().err
    assert kept.exists()


def test_events_are_strict_json(arguments, tmp_path):
    assert main([*arguments, '--method=alone', '--set=method.open_samples=1']) == 2
    keep = [a for a in arguments if 'open_samples' not in a]
    assert main([*keep, '--method=alone']) == 0
    text = (tmp_path / 'sim/events.jsonl').read_text()
    assert 'NaN' not in text
    assert '"accuracy": null' in text


def test_a_mistake_costs_one_line_and_exit_code_2(arguments, capsys):
    assert main([*arguments, '--set=run.round=3']) == 2
    captured = capsys.readouterr()
    assert captured.err == (
        "iot-fl simulate: unknown setting 'run.round': did you mean 'run.rounds'?\n"
    )


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['simulate', '--set=run.rounds'], "--set 'run.rounds': write NAME=VALUE"),
        (['simulate', '--set=data.class_names=[a'], "'data.class_names=[a': the value is no YAML"),
        (['simulate', '--robots', '0'], '--robots is 0: at least 1'),
        (['bundle', 'yolov3_tiny', '--stride', '0'], '--pictures and --stride are at least 1'),
        (['bundle', 'yolov3_tiny', '--source', 'nowhere.mp4'], "source is 'nowhere.mp4': "),
        (['bundle', 'yolov3_tiny', '--source', 'text.mp4'], "cannot open 'text.mp4' as a video"),
        (['bundle', 'yolov3_tiny', '--source', 'folder'], 'folder holds no pictures'),
        (['bundle', 'yolov3_tiny', '--source', 'one.png', '--skip', '5'], 'no pictures behind'),
        (['study', 'mine.yaml'], 'mine.yaml does not exist'),
        (['study', 'trafic'], "did you mean 'traffic'"),
        (['study', 'empty.yaml'], 'empty.yaml is empty'),
        (['study', 'text.mp4'], 'is a str: a mapping is needed'),
        (['study', 'torn.yaml'], 'cannot read study torn.yaml'),
        (['simulate', '--params', 'torn.yaml'], 'cannot read torn.yaml'),
        (['plot', 'folder'], 'folder holds no rounds: give the folder of a run'),
        (['data', '~nobody_of_that_name/photos'], '~nobody_of_that_name/photos: '),
    ],
)
def test_what_is_wrong_is_named_in_one_line(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'folder').mkdir()
    for name, text in (('empty.yaml', ''), ('torn.yaml', '[a'), ('text.mp4', 'no video')):
        (tmp_path / name).write_text(text)
    Image.new('L', (8, 8)).save(tmp_path / 'one.png')
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f'iot-fl {words[0]}: ')
    assert said in line


class Failing(FedAvg):
    """A method that cannot train."""

    def train(self, participant, round):
        raise ValueError('no gradient')


def test_a_run_in_which_nothing_was_aggregated_is_a_failure(arguments, capsys):
    keep = [one for one in arguments if 'open_samples' not in one]
    assert main([*keep, f'--method={__name__}:Failing', '--set=run.rounds=2']) == 2
    error = capsys.readouterr().err
    assert "run 'sim' is over, and not one update was aggregated: " in error
    assert 'training failed: ValueError: no gradient' in error


def test_a_fleet_that_cannot_start_says_why(arguments, toy_npz, tmp_path, capsys):
    with np.load(toy_npz) as archive:
        np.savez(tmp_path / 'other.npz', x=archive['x_train'], y=archive['y_train'] + 5)
    assert main([*arguments, f'--set=data.private={tmp_path / "other.npz"}']) == 2
    assert 'robots cannot take part' in capsys.readouterr().err


def test_data_and_models_list_and_show(toy_npz, capsys):
    assert main(['data']) == 0
    assert 'fashion-mnist' in capsys.readouterr().out
    assert main(['data', str(toy_npz)]) == 0
    assert '400 samples' in capsys.readouterr().out
    assert main(['models']) == 0
    assert '583,242' in capsys.readouterr().out


@pytest.mark.parametrize(
    'words',
    [
        ['simulate', '--method', 'fedavg', '--output', 'file'],
        ['run', '--method', 'fedavg', '--output', 'file'],
        ['mesh', '--output', 'file/mesh'],
        ['evaluate', '--bag', 'drive', '--bundle', 'one', '--output', 'file'],
        ['replay', '--bag', 'drive', '--output', 'file/audit.json'],
        ['comtune', 'one', '--bundle-dir', 'file'],
        ['bundle', 'yolov3_tiny', '--bundle-dir', 'file'],
        ['study', 'traffic', '--output', 'file'],
        ['study', 'traffic', '--output', 'out', '--report', 'file'],
    ],
)
def test_a_file_in_the_place_of_outputs_is_named_before_any_work(
    words, toy_npz, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'file').write_text('')
    data = [f'--set=data.{name}={toy_npz}' for name in ('private', 'test')]
    assert main([*words, *(data if '--method' in words else [])]) == 2
    assert 'file is a file: choose a folder' in capsys.readouterr().err


@pytest.mark.parametrize('verb', VERBS)
def test_every_verb_has_help(verb, capsys):
    with pytest.raises(SystemExit) as end:
        main([verb, '--help'])
    assert end.value.code == 0
    assert 'usage' in capsys.readouterr().out


def test_a_quorum_that_nobody_can_reach_is_refused_at_once(arguments, capsys):
    assert main([*arguments, '--set=run.quorum=9']) == 2
    assert 'run.quorum is 9, but --robots is 3: no round could close' in capsys.readouterr().err


def test_another_method_than_that_of_the_file_leaves_its_settings_out(arguments, tmp_path, capsys):
    path = tmp_path / 'dsfl.yaml'
    path.write_text('method: {name: dsfl, open_samples: 20, learning_rate: 0.05}\n')
    plain = [one for one in arguments if 'method.' not in one]
    given = [*plain, f'--params={path}', '--method=fedavg', '--set=run.rounds=1']
    assert main(given) == 0
    err = capsys.readouterr().err
    assert '--method fedavg: method.open_samples, method.learning_rate of' in err
    assert 'are left out' in err


def test_the_version_and_defaults_are_told(capsys):
    for arguments, said in ((['--version'], 'iot-fl 0.'), (['simulate', '--help'], 'default: 10')):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
        assert said in capsys.readouterr().out


def test_a_default_of_zero_is_told_too(capsys):
    parser = argparse.ArgumentParser(formatter_class=HelpWithDefaults)
    parser.add_argument('--zero', default=0, help='a number')
    parser.add_argument('--flag', action='store_true', help='a flag')
    parser.add_argument('--name', default='', help='a name')
    text = parser.format_help()
    assert 'a number (default: 0)' in text
    assert 'a flag (' not in text
    assert 'a name (' not in text


def test_a_file_of_the_package_may_be_called_by_its_name(arguments, capsys):
    assert main([*arguments, '--params=demo']) == 0
    assert main([*arguments, '--params=demmo']) == 2
    assert 'cannot read demmo' in capsys.readouterr().err


def test_trained_weights_are_fetched_at_once(monkeypatch, capsys, tmp_path):
    asked = []

    def weights_of(name):
        asked.append(name)
        return {'x': np.zeros(3)}

    for name in ('efficientnet_lite0_weights', 'yolov3_tiny_weights'):
        function = partial(weights_of, name)
        function.__name__ = name
        monkeypatch.setattr(weights, name, function)
    monkeypatch.setattr(weights, 'imagenet_class_names', lambda: ('a', 'b'))
    monkeypatch.setattr(pictures, 'vtest_video', lambda: tmp_path / 'vtest.avi')
    assert main(['models', '--fetch']) == 0
    out = capsys.readouterr().out
    assert 'efficientnet_lite0: 3 values' in out
    assert len(asked) == 2
