"""The memory of a method survives the death of a process, and reaches who was away."""

import numpy as np
import pytest

from iot_fl_ros.core.messages.federation import AGGREGATOR
from iot_fl_ros.federation.settings import FleetSettings
from iot_fl_ros.memory.federation import Simulation

CACHE = {'method.cache_rounds': 4, 'method.delta_rounds': 3, 'method.open_samples': 60}


def simulation_of(settings, method, **more):
    flat = {k: v for k, v in settings.items() if not k.startswith('method.')}
    flat |= {
        'method.name': method, 'method.batch_size': 10, 'model.name': 'mlp', 'run.rounds': 8,
        'run.robots': 3, 'data.partition': 'iid', **more,
    }  # fmt: skip
    return Simulation(FleetSettings.from_flat(flat), robots=3)


def run(simulation):
    simulation.start_all()
    simulation.run()
    # Who is behind gets what it missed.
    simulation.clock.run(simulation.clock.now + 30.0, lambda: False)
    return [(row['round'], row['accuracy']) for row in simulation.rows if row['kind'] == 'round']


def memory_of(simulation, name):
    return simulation.hosts[name]._worker.participant.memory


@pytest.mark.parametrize(('crash', 'back'), [(2.5, 4.0), (1.2, 6.9), (3.5, 3.7)])
def test_a_robot_that_was_away_remembers_what_the_others_do(crash, back, toy_settings):
    simulation = simulation_of(
        toy_settings, 'dsfl', **CACHE, **{'run.quorum': 2, 'run.lease': 0.9}
    )
    simulation.clock.at(crash, lambda: simulation.crash('robot_1'))
    simulation.clock.at(back, lambda: simulation.start('robot_1'))
    run(simulation)
    expected = memory_of(simulation, AGGREGATOR)
    rounds = expected['label_rounds']
    good = rounds >= 8 - 4 + 1
    assert good.sum() > 60
    for robot_id in ('robot_0', 'robot_1', 'robot_2'):
        memory = memory_of(simulation, robot_id)
        np.testing.assert_array_equal(memory['label_rounds'][good], rounds[good])
        np.testing.assert_array_equal(memory['labels'][good], expected['labels'][good])
        assert not simulation.robot(robot_id).endpoint.refusals, 'catching up is no fault'


@pytest.mark.parametrize(
    ('method', 'options'),
    [('dsfl', CACHE), ('fedadam', {}), ('fedavg', {'method.upload': 'topk'})],
)
def test_an_aggregator_that_comes_back_goes_on_as_if_nothing_was(method, options, toy_settings):
    calm = run(simulation_of(toy_settings, method, **options))
    simulation = simulation_of(toy_settings, method, **options)
    simulation.clock.at(3.4, lambda: simulation.crash(AGGREGATOR))
    simulation.clock.at(3.6, lambda: simulation.start(AGGREGATOR))
    stormy = run(simulation)
    assert dict(stormy) == dict(calm)
    assert len(dict(stormy)) == 8
