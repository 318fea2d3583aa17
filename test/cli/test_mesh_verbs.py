"""The verbs of a mesh."""

import json

import pytest
import yaml

from iot_fl_ros.cli.main import main
from iot_fl_ros.core.run_files import read_events
from iot_fl_ros.core.store import FolderStore


@pytest.fixture
def arguments(toy_settings, tmp_path):
    settings = {**toy_settings, 'model.name': 'mlp', 'mesh.graph': 'star', 'run.start_timeout': 30}
    sets = [f'--set={name}={value}' for name, value in settings.items()]
    return ['mesh', '--robots', '4', '--output', str(tmp_path / 'run'), *sets]


def figures(folder):
    rows = [row for row in read_events(folder) if row['kind'] == 'round']
    return [(row['accuracy'], row['loss'], row['disagreement']) for row in rows]


def test_a_mesh_over_dds_and_in_memory_gives_the_same_numbers(arguments, tmp_path, capsys):
    partition = ['--set=data.partition=shards']
    assert main([*arguments, *partition]) == 0
    assert 'cmfd round 3' in capsys.readouterr().out
    memory = [a.replace(str(tmp_path / 'run'), str(tmp_path / 'memory')) for a in arguments]
    assert main([*memory, *partition, '--memory', '--set=run.name=run']) == 0
    for name in ('run', 'memory'):
        assert (tmp_path / name / 'mesh.png').is_file()
    for index in range(4):
        robot = f'robot_{index}'
        assert figures(tmp_path / 'run' / robot) == figures(tmp_path / 'memory' / robot)
    summary = json.loads((tmp_path / 'run/summary.json').read_text())
    assert summary['rounds'] == 3
    assert summary['robots'] == 4
    assert summary['joules'] > summary['joules_active'] > 0
    assert set(summary['accuracies']) == {f'robot_{i}' for i in range(4)}


def test_robots_with_models_of_their_own(arguments, capsys):
    models = ['--robot-models', 'mlp', 'small_cnn']
    assert main([*arguments, '--memory', '--set=method.name=alone', *models]) == 2
    assert 'open_samples' in capsys.readouterr().err
    assert main([*arguments, '--memory', *models]) == 0
    assert 'worst' in capsys.readouterr().out


def test_a_mesh_in_memory_begins_anew_and_leaves_that_of_others_as_it_is(
    arguments, tmp_path, capsys
):
    memory, place = [*arguments, '--memory'], tmp_path / 'run/robot_2'
    assert main([*memory, '--robot-models', 'mlp', 'small_mlp']) == 0
    models = [
        yaml.safe_load((tmp_path / 'run' / f'robot_{n}/config.yaml').read_text())['model']['name']
        for n in range(4)
    ]
    assert models == ['mlp', 'small_mlp'] * 2
    before = {path: path.read_bytes() for path in place.iterdir()}
    assert main([*memory, '--set=data.seed=5']) == 2
    assert 'data.seed was 0, is 5' in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in place.iterdir()}
    store = FolderStore(place / 'checkpoints')
    store.write({'run_id': 'of nodes'}, {})
    assert main([*memory, '--set=data.seed=5', '--set=run.resume=false']) == 0
    assert store.read() is None


def test_a_mistake_costs_one_line(arguments, capsys):
    assert main([*arguments, '--set=mesh.graph=discovery']) == 2
    assert 'use mesh.graph full' in capsys.readouterr().err
    assert main([*arguments, '--set=mesh.graph=file', '--set=mesh.file=/nowhere']) == 2
    assert "mesh.file '/nowhere' cannot be read" in capsys.readouterr().err
    assert main([*arguments, '--memory', '--set=data.private=/nowhere.npz']) == 2
    assert 'robots cannot take part' in capsys.readouterr().err


@pytest.mark.parametrize('where', ['--memory', ''])
def test_a_peer_has_data_of_its_own(arguments, where, tmp_path, capsys):
    params = tmp_path / 'own.yaml'
    text = '/robot_1/peer:\n  ros__parameters:\n    data:\n      private: {}\n'
    params.write_text(text.format(tmp_path / 'nowhere.npz'))
    given = [*arguments, f'--params={params}', *([where] if where else [])]
    main(given)
    assert 'nowhere.npz' in ''.join(capsys.readouterr())
    params.write_text(params.read_text().replace('/robot_1/', '/robot_9/'))
    assert main(given) == 2
    assert 'has settings of robot_9: the robots are robot_0' in capsys.readouterr().err
