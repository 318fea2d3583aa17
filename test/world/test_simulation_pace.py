"""When the simulation goes on, and what it publishes when."""

import pytest

from iot_fl_ros.world.simulation import Every, Pace


@pytest.mark.parametrize(('rate', 'count'), [(10, 100), (20, 200), (50, 500), (7.3, 73), (1, 10)])
def test_every_is_due_at_multiples_of_its_period(rate, count):
    every = Every(rate)
    due = [now for now in range(0, 10_000_000_000, 20_000_000) if every.due(now)]
    assert len(due) == count
    for number, now in enumerate(due):
        assert 0 <= now - number * 1e9 / rate < 20_000_000


def test_simulated_time_follows_real_time():
    pace, simulated = Pace(2.0, 0.5), 0.0
    for tick in range(1000):
        while pace.allows(simulated, tick * 0.001):
            simulated += 0.02
    assert simulated == pytest.approx(2.0, abs=0.04)


def test_who_was_held_up_does_not_race_afterwards():
    pace, simulated = Pace(1.0, 0.5), 0.0
    assert pace.allows(simulated, 100.0)
    simulated += 0.02
    count = 0
    while pace.allows(simulated, 110.0):  # ten seconds later
        simulated += 0.02
        count += 1
    assert count <= 2


def test_without_a_factor_nothing_holds_it_back():
    assert all(Pace(0.0, 0.5).allows(simulated, 0.0) for simulated in (0.0, 1e6))
