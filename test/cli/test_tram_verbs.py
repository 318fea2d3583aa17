"""The demo of Tram-FL over DDS, its summary and its picture."""

import json
import math

import pytest
import yaml

from iot_fl_ros.cli import demo_tram
from iot_fl_ros.cli.main import main
from iot_fl_ros.processes.serverless import summarize_tram


@pytest.fixture
def small(toy_npz, tmp_path, monkeypatch):
    """Let the demo use the toy data."""
    settings = {
        'run': {'updates': 40, 'test_every': 10, 'lease': 3.0, 'heartbeat': 0.3},
        'tram': {'cycle_batches': 6, 'batch_size': 20, 'learning_rate': 0.05},
        'model': {'name': 'small_cnn'},
        'data': {
            'private': str(toy_npz), 'test': str(toy_npz), 'partition': 'labels',
            'private_size': 200,
        },
    }  # fmt: skip
    (tmp_path / 'config').mkdir()
    tree = {'/**': {'ros__parameters': settings}}
    (tmp_path / 'config/tram.yaml').write_text(yaml.safe_dump(tree))
    monkeypatch.setattr(demo_tram, 'share_folder', lambda: tmp_path)
    monkeypatch.setattr(demo_tram, 'obtain', lambda: None)
    return tmp_path


def test_the_demo_compares_numbers_of_tokens(small, capsys):
    output = small / 'out'
    assert main(['demo-tram', '--robots', '3', '--output', str(output)]) == 0
    summary = json.loads((output / 'summary.json').read_text())
    assert list(summary) == ['1 token', '2 tokens']
    for one in summary.values():
        assert one['updates'] >= 40
        assert one['robots'] == 3
        assert one['joules_active'] < sum(one['joules'].values())
    assert (output / 'tram.png').stat().st_size > 10_000
    printed = capsys.readouterr().out
    assert 'mini-batches' in printed
    assert 'accuracy' in printed


def test_a_summary_by_hand(tmp_path):
    visit = {
        'kind': 'visit', 'token': 0, 'robot': 'a', 'time': 1.0, 'batches': 3, 'hop': 1,
        'accuracy': math.nan,
    }  # fmt: skip
    joules = {'idle': 10.0, 'compute': 4.0, 'transmit': 1.0, 'receive': 2.0}
    totals = {
        'kind': 'totals', 'robot': 'a', 'time': 9.0, 'train_seconds': 1.5, 'bytes_sent': 7,
        'bytes_received': 5, 'joules': joules,
    }  # fmt: skip
    later = {**visit, 'time': 2.0, 'hop': 0, 'accuracy': 0.5}
    rows = [visit, later, {'kind': 'merged', 'time': 3}, totals]
    summary = summarize_tram(rows, tmp_path)
    assert summary['updates'] == 6
    assert summary['hops'] == 1
    assert summary['merged'] == 1
    assert summary['bytes'] == 12
    assert summary['seconds'] == 8.0
    assert summary['joules_active'] == 7.0
    assert summary['accuracy'] == 0.5
