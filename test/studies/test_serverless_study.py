"""Studies of fleets without an aggregator: meshes and tokens in one table."""

import json
import math

import pytest
import yaml

from iot_fl_ros.cli.main import main
from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.studies.results import Curve
from iot_fl_ros.studies.study import read_study


@pytest.fixture
def tree(toy_npz):
    return {
        'title': 'Toy',
        'settings': {
            'model': {'name': 'small_cnn'},
            'data': {
                'private': str(toy_npz), 'open': str(toy_npz), 'test': str(toy_npz),
                'private_size': 200, 'open_size': 200, 'partition': 'shards',
            },
        },
        'sections': {
            'all': {
                'robots': 3,
                'reference': 'token',
                'targets': [0.5, 0.999],
                'paper': {'token': 'many', 'all / gossip': 'few'},
                'methods': {
                    'token': {
                        'method.name': 'tram',
                        'run': {'updates': 40, 'test_every': 10},
                        'tram': {'cycle_batches': 6, 'batch_size': 20, 'learning_rate': 0.05},
                    },
                    'two tokens': {
                        'method.name': 'tram',
                        'run': {'updates': 20, 'test_every': 10},
                        'tram': {'tokens': 2, 'cycle_batches': 6, 'batch_size': 20},
                    },
                    'gossip': {
                        'method': {'name': 'gossip', 'local_batches': 2, 'batch_size': 20},
                        'run': {'rounds': 3},
                        'mesh.graph': 'full',
                    },
                    'cmfd': {
                        'method': {'name': 'cmfd', 'open_samples': 50},
                        'run': {'rounds': 2},
                        'mesh.graph': 'line',
                    },
                },
            }
        },
    }  # fmt: skip


def test_one_table_of_tokens_and_meshes(tree, tmp_path):
    path = tmp_path / 'toy.yaml'
    path.write_text(yaml.safe_dump(tree))
    assert main(['study', str(path), '--output', str(tmp_path / 'out'), '--jobs', '1']) == 0
    text = (tmp_path / 'out/toy.md').read_text()
    assert 'the paper says' in text
    assert '| many |' in text
    assert '| few |' in text
    assert 'mini-batches to 50 %' in text
    (page,) = (tmp_path / 'out').glob('*.json')
    rows = json.loads(page.read_text())['results']['all']['all']
    by_name = {row['method']: row for row in rows}
    assert set(by_name) == {'token', 'two tokens', 'gossip', 'cmfd'}
    easy, hard = by_name['token']['reached']
    assert 0 < easy['updates'] <= 40
    assert easy['joules'] > 0
    assert easy['seconds'] > 0
    assert hard['updates'] is None or hard['updates'] >= easy['updates']
    events = tmp_path / 'out/all/all/gossip/seed-0/events.jsonl'
    gossip = [json.loads(line) for line in events.read_text().splitlines()]
    assert [r['updates'] for r in gossip if r['kind'] == 'round'] == [6, 12, 18]


def test_settings_of_the_wrong_fleet_are_found_before_the_first_run(tree):
    tree['sections']['all']['methods']['token']['mesh.graph'] = 'line'
    with pytest.raises(ConfigError, match=r"token.*unknown setting 'mesh.graph'"):
        read_study('toy', tree)


def test_targets_are_accuracies(tree):
    tree['sections']['all']['targets'] = [90]
    with pytest.raises(ConfigError, match='accuracies below 1'):
        read_study('toy', tree)


def test_what_an_accuracy_took_by_hand():
    curve = Curve((0.5, 0.8, 0.7), (10.0, 20.0, 30.0), (1, 2, 3), (5.0, 6.0, 7.0), (1.5, 2.5, 3.5))
    assert curve.until(0.8, 'updates') == 2
    assert curve.until(0.6, 'joules') == 6.0
    assert curve.until(0.5, 'seconds') == 1.5
    assert math.isnan(curve.until(0.9, 'updates')), 'never'
