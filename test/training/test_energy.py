"""Joules by hand."""

import pytest

from iot_fl_ros.core.names import agreed_run_id
from iot_fl_ros.training.energy import EnergySettings, joules_of


def test_joules_by_hand():
    settings = EnergySettings(
        idle_watts=2.0, compute_watts=5.0, transmit_watts=3.0, receive_watts=1.0, radio_rate=8e6
    )
    joules = joules_of(settings, elapsed=10, training=4, bytes_sent=2e6, bytes_received=1e6)
    assert (joules.idle, joules.compute) == (20.0, 20.0)
    assert joules.transmit == pytest.approx(6.0)
    assert joules.receive == pytest.approx(1.0)
    assert joules.active == pytest.approx(27.0)
    assert joules.total == pytest.approx(47.0)


def test_who_agrees_has_one_run_id():
    facts = {'seed': 1, 'energy': EnergySettings()}
    assert agreed_run_id('run', facts) == agreed_run_id('run', dict(reversed(facts.items())))
    assert agreed_run_id('run', facts) != agreed_run_id('run', {**facts, 'seed': 2})
    assert agreed_run_id('run', facts).startswith('run-')
