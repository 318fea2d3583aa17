"""The verbs that need no other process."""

import json

import numpy as np
import pytest

from iot_fl_ros.cli.main import VERBS, main
from iot_fl_ros.core.run_files import read_events


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


def test_simulate_resumes_after_its_checkpoint(arguments, tmp_path):
    assert main(arguments) == 0
    whole = [r for r in read_events(tmp_path / 'sim') if r['kind'] == 'round']
    assert main([*arguments, '--set=run.rounds=5']) == 0
    longer = [r for r in read_events(tmp_path / 'sim') if r['kind'] == 'round']
    assert [row['round'] for row in longer] == [1, 2, 3, 4, 5]
    assert [row['accuracy'] for row in longer[:3]] == [row['accuracy'] for row in whole]


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


@pytest.mark.parametrize('verb', VERBS)
def test_every_verb_has_help(verb, capsys):
    with pytest.raises(SystemExit) as end:
        main([verb, '--help'])
    assert end.value.code == 0
    assert 'usage' in capsys.readouterr().out
