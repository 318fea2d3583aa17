"""The pictures of a bag through real nodes, by the clock of the bag."""

import json
from pathlib import Path

import pytest
from tiny_split import tiny_bundle

from iot_fl_ros.bag.reader import open_bag
from iot_fl_ros.cli.main import main


def test_real_nodes_answer_as_the_evaluation_does(shoot, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('PYTHONPATH', str(Path(__file__).parents[1] / 'helpers'))
    tiny_bundle(tmp_path / 'bundles' / 'tiny')
    bag = shoot(shooting={'rate': 5.0})
    common = ['evaluate', '--bag', str(bag), '--bundle', str(tmp_path / 'bundles' / 'tiny'),
              '--loss', '0.5', '--set', 'deadline=2.0']  # fmt: skip
    assert main([*common, '--output', str(tmp_path / 'offline')]) == 0
    assert main([*common, '--output', str(tmp_path / 'live'), '--live']) == 0, capsys.readouterr()
    offline, live = (
        json.loads((tmp_path / name / 'summary.json').read_text())['losses']
        for name in ('offline', 'live')
    )
    assert offline[0]['answered'] == 1.0
    assert live[0]['answered'] > 0.7  # the machine may be busy
    assert live[0]['features_received'] == pytest.approx(0.5, abs=0.15)
    assert 0.5 < live[0]['latency_p50'] < 2.2
    # The answers carry the headers of the bag's pictures, although its clock was moved on.
    with open_bag(tmp_path / 'live' / 'answers') as found:
        first = next(found.messages(['/evaluation/loss_0_5/inference']))
    assert first.stamp < 4 * 10**9
