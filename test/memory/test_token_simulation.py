"""Whole Tram-FL fleets in memory."""

import dataclasses
import itertools

import numpy as np
import pytest

from iot_fl_ros.core.errors import ConfigError, IotFlError
from iot_fl_ros.core.events import TimerFired
from iot_fl_ros.core.messages.token import TokenState
from iot_fl_ros.memory.token import TramSimulation
from iot_fl_ros.token.jobs import KeepToken
from iot_fl_ros.token.settings import TramNodeSettings
from iot_fl_ros.token.states import Place

LEASE = 5.0


def holders(simulation):
    """Return the robots that believe to hold token 0."""
    machines = simulation.machines.items()
    return [
        name for name, one in machines if one.tokens and one.tokens[0].state == TokenState.HELD
    ]


@pytest.fixture
def flat(toy_npz):
    return {
        'run.updates': 60,
        'run.test_every': 20,
        'run.lease': LEASE,
        'tram.count': 4,
        'tram.cycle_batches': 8,
        'tram.batch_size': 20,
        'tram.learning_rate': 0.05,
        'model.name': 'small_cnn',
        'data.private': str(toy_npz),
        'data.test': str(toy_npz),
        'data.partition': 'shards',
        'data.shards': 1,
        'data.private_size': 400,
    }


def run(flat, **changes):
    simulation = TramSimulation(TramNodeSettings.from_flat({**flat, **changes}))
    simulation.start_all()
    simulation.run(until=2_000)
    return simulation


def trains(simulation):
    """Return the robot where token 0 is being trained; '' = none."""
    machines = simulation.machines.items()
    return next((name for name, one in machines if one.tokens[0].place is Place.TRAINING), '')


def visits(simulation):
    return [row for row in simulation.rows if row['kind'] == 'visit']


def models(simulation):
    return {i: machine.tokens[0].token.model for i, machine in simulation.machines.items()}


def best_accuracy(rows):
    return np.nanmax([row['accuracy'] for row in rows if row['kind'] == 'visit'])


def test_robots_with_one_class_each_learn_all_four(flat):
    simulation = run(flat)
    assert best_accuracy(simulation.rows) > 0.9
    usage = np.sum([row['class_counts'] for row in visits(simulation)], axis=0)
    # A mini-batch has 20 samples of one class, and the last cycle ends in its middle.
    assert usage.max() - usage.min() <= 40, 'classes are used equally'
    assert sum(row['batches'] for row in visits(simulation)) >= 60
    assert len({row['robot'] for row in visits(simulation)}) == 4


def test_every_robot_gets_the_final_model(flat):
    found = models(run(flat))
    assert len({model.tobytes() for model in found.values()}) == 1


def test_without_delivery_only_the_last_holder_has_it(flat):
    found = models(run(flat, **{'tram.deliver': False}))
    assert len({model.tobytes() for model in found.values()}) > 1


@pytest.mark.parametrize('routing', ['cycle', 'dynamic', 'load_aware'])
def test_same_seed_same_numbers(flat, routing):
    first, second = (run(flat, **{'tram.routing': routing}) for _ in range(2))
    assert first.rows == second.rows
    assert models(first)['robot_0'].tobytes() == models(second)['robot_0'].tobytes()
    other = run(flat, **{'tram.routing': routing, 'run.seed': 1})
    assert models(other)['robot_0'].tobytes() != models(first)['robot_0'].tobytes()


def test_a_load_aware_token_does_not_stay_until_it_forgets(flat):
    """Late in a run too: what was used before must not buy a long stay with one class."""
    simulation = run(flat, **{'tram.routing': 'load_aware', 'run.updates': 600})
    stays, before = [0], ''
    for row in visits(simulation):
        stays.append(row['batches'] + (stays[-1] if row['robot'] == before else 0))
        before = row['robot']
    assert max(stays) <= 20
    tested = [row['accuracy'] for row in visits(simulation) if row['accuracy'] >= 0]
    assert min(tested[len(tested) // 2 :]) > 0.9


def test_one_robot_at_a_time_trains(flat):
    simulation = run(flat)
    spans = sorted((r['time'] - r['seconds'], r['time']) for r in visits(simulation))
    assert all(before[1] <= after[0] + 1e-6 for before, after in itertools.pairwise(spans))
    totals = simulation.totals()
    each = [m.context.train_seconds for m in simulation.machines.values()]
    assert sum(each) == pytest.approx(sum(row['seconds'] for row in visits(simulation)))
    assert totals['joules_active'] < totals['joules']


def test_a_lone_robot_is_sgd_with_momentum(flat):
    simulation = run(flat, **{'tram.count': 1, 'data.partition': 'none'})
    assert best_accuracy(simulation.rows) > 0.9
    assert simulation.totals()['bytes_received'] == 0, 'its own statuses do not count'


def test_tokens_that_meet_are_merged(flat):
    changes = {'tram.tokens': 3, 'tram.count': 4, 'run.updates': 80}
    simulation = run(flat, **changes)
    assert any(row['kind'] == 'merged' for row in simulation.rows)
    assert best_accuracy(simulation.rows) > 0.9
    never = run(flat, **changes, **{'tram.merge': False})
    assert not any(row['kind'] == 'merged' for row in never.rows)


def test_the_token_is_back_within_two_leases_when_its_holder_dies(flat):
    settings = TramNodeSettings.from_flat({**flat, 'run.updates': 400})
    simulation = TramSimulation(settings, batch_seconds=lambda robot_id: 0.5)
    simulation.start_all()
    for _ in range(3):
        simulation.clock.run(1e9, lambda: len(holders(simulation)) == 1)
        victim = holders(simulation)[0]
        simulation.clock.run(simulation.clock.now + 1.2, lambda: False)
        victim = holders(simulation)[0]
        fence = simulation.machines[victim].tokens[0].fence
        simulation.crash(victim)
        died = simulation.clock.now
        assert simulation.clock.run(died + 2 * LEASE, lambda: bool(holders(simulation)))
        holder = holders(simulation)[0]
        assert simulation.machines[holder].tokens[0].fence > fence
        simulation.start(victim)
    simulation.run(until=5_000)
    assert best_accuracy(simulation.rows) > 0.9


def test_a_minority_cannot_go_on_and_the_majority_does(flat):
    settings = TramNodeSettings.from_flat({**flat, 'tram.count': 5, 'run.updates': 200})
    simulation = TramSimulation(settings)
    simulation.start_all()
    simulation.clock.run(1e9, lambda: len(visits(simulation)) > 4)
    holder = holders(simulation)[0]
    simulation.network.split([holder])
    fence = simulation.machines[holder].tokens[0].fence
    before = len(visits(simulation))
    simulation.clock.run(simulation.clock.now + 20.0, lambda: False)
    since = visits(simulation)[before:]
    alone = [row for row in since if row['robot'] == holder]
    assert len(alone) <= 1, 'it ends its visit and trains no more'
    assert max(row['fence'] for row in since) > fence + 1, 'the others go on'
    simulation.network.split()
    simulation.run(until=5_000)
    lost = {row['fence'] for row in alone}
    assert not lost & {row['base'] for row in visits(simulation)}, 'nobody builds upon its visit'


@pytest.mark.parametrize('give_up', [0.0, 20.0])
def test_who_has_the_newest_copy_is_waited_for_or_given_up(flat, give_up):
    changes = {'tram.count': 5, 'run.updates': 200, 'tram.give_up': give_up}
    settings = TramNodeSettings.from_flat({**flat, **changes})
    simulation = TramSimulation(settings, batch_seconds=lambda robot_id: 0.5)
    simulation.start_all()
    simulation.clock.run(1e9, lambda: len(visits(simulation)) > 4)
    simulation.clock.run(1e9, lambda: trains(simulation))
    holder = trains(simulation)
    promise = simulation.machines[holder].context.acceptor.promises[0]
    (before,) = {row['robot'] for row in visits(simulation) if row['fence'] == promise.base}
    simulation.network.split([holder, before])
    cut = simulation.clock.now
    others = set(simulation.machines) - {holder, before}
    went_on = simulation.clock.run(
        cut + 100.0,
        lambda: any(r['time'] > cut and r['robot'] in others for r in visits(simulation)),
    )
    healed = simulation.clock.now
    assert went_on == bool(give_up)
    assert healed > cut + give_up - LEASE, 'it waits before it gives up'
    simulation.network.split()
    simulation.run(until=5_000)
    assert {row['robot'] for row in visits(simulation) if row['time'] > healed} >= others


@pytest.mark.parametrize(('robots', 'present'), [(3, 2), (4, 3), (5, 3)])
@pytest.mark.parametrize('forgetful', [False, True])
def test_more_than_half_begin_without_the_rest(flat, robots, present, forgetful):
    changes = {'tram.count': robots, 'run.start_timeout': 8.0}
    settings = TramNodeSettings.from_flat({**flat, **changes})
    simulation = TramSimulation(settings, forgetful=forgetful)
    for robot_id in settings.tram.ids[:present]:
        simulation.start(robot_id)
    if forgetful and present - 1 < robots - robots // 2:  # too few to tell what it forgot
        assert not simulation.clock.run(100.0, simulation.over)
        return
    simulation.run(until=500)
    assert best_accuracy(simulation.rows) > 0.4


class BadDisk:
    """A worker whose robot cannot keep tokens."""

    def __init__(self, worker):
        self._worker = worker

    def run(self, job):
        if isinstance(job, KeepToken):
            raise OSError('no space left on device')
        return self._worker.run(job)


def test_robots_that_cannot_take_the_token_are_left_out(flat):
    settings = TramNodeSettings.from_flat({**flat, 'tram.count': 5, 'tram.offer_timeout': 8.0})
    simulation = TramSimulation(settings)
    good = simulation._make_worker
    simulation._make_worker = lambda robot_id, stores: (
        BadDisk(good(robot_id, stores)) if robot_id > 'robot_2' else good(robot_id, stores)
    )
    simulation.start_all()
    simulation.run(until=2_000)
    assert {row['robot'] for row in visits(simulation)} <= {'robot_0', 'robot_1', 'robot_2'}


def test_a_fleet_that_cannot_work_says_why(flat):
    settings = TramNodeSettings.from_flat({**flat, 'data.private': '/nowhere.npz'})
    simulation = TramSimulation(settings)
    simulation.start_all()
    with pytest.raises(IotFlError, match='robots cannot take part'):
        simulation.run()


def test_a_model_that_diverges_is_not_passed_on(flat):
    simulation = TramSimulation(TramNodeSettings.from_flat({**flat, 'tram.learning_rate': 1e30}))
    simulation.start_all()
    assert not simulation.clock.run(60.0, simulation.over)
    assert not visits(simulation)
    for machine in simulation.machines.values():
        assert not machine.endpoint.refusals
        assert np.isfinite(machine.tokens[0].token.model).all()


def test_a_clock_that_is_set_back_costs_no_energy(flat):
    simulation = TramSimulation(TramNodeSettings.from_flat({**flat, 'tram.count': 1}))
    simulation.start_all()
    simulation.clock.run(20.0, lambda: False)
    machine = simulation.machines['robot_0']
    before = machine.joules(20.0).idle
    assert machine.handle(TimerFired('heartbeat'), -1_000.0)
    machine.handle(TimerFired('heartbeat'), 1e9)
    assert before <= machine.joules(1e9).idle < before + 10.0


def test_the_target_of_one_token_is_not_that_of_another(flat):
    changes = {'tram.tokens': 2, 'tram.merge': False, 'run.target': 0.9, 'run.updates': 400}
    simulation = run(flat, **changes)
    for token in (0, 1):
        own = [row for row in visits(simulation) if row['token'] == token]
        assert own[-1]['accuracy'] >= 0.9 or own[-1]['updates'] >= 400


def test_a_robot_of_other_settings_is_left_out(flat):
    flat = {**flat, 'run.start_timeout': 5.0}
    simulation = TramSimulation(TramNodeSettings.from_flat(flat))
    simulation.start_all()
    other = TramNodeSettings.from_flat({**flat, 'tram.learning_rate': 0.5})
    simulation.settings = other
    simulation.start('robot_3')
    simulation.clock.run(60.0, lambda: False)
    assert visits(simulation), 'the others begin without it'
    refusals = simulation.machines['robot_0'].endpoint.refusals
    assert refusals['robot_3', 'tram_status: foreign run'] > 0
    assert not any(row['robot'] == 'robot_3' for row in visits(simulation))


def test_all_tokens_end_everywhere(flat):
    simulation = run(flat, **{'tram.tokens': 2})
    for machine in simulation.machines.values():
        assert [token.state for token in machine.tokens] == [TokenState.FINISHED] * 2


def test_wrong_settings_are_told(flat):
    for changes, text in [
        ({'tram.count': 0}, 'tram.robots must name'),
        ({'tram.robots': ['a', 'a']}, 'tram.robots must name'),
        ({'tram.robots': ['a b']}, 'no robot id'),
        ({'tram.tokens': 9}, 'there are 4 robots'),
        ({'tram.momentum_bits': 4}, 'use 8 or 32'),
        ({'tram.speed': 1}, 'unknown setting'),
    ]:
        with pytest.raises(ConfigError, match=text):
            TramNodeSettings.from_flat({**flat, **changes})


def test_eight_bits_of_momentum_cost_less_than_32_on_the_way(flat):
    eight, full = (run(flat, **{'tram.momentum_bits': bits}).totals()['bytes'] for bits in (8, 32))
    assert eight < 0.75 * full


def test_settings_are_kept_whole(flat):
    settings = TramNodeSettings.from_flat(flat)
    assert settings.flat()['tram']['count'] == 4
    assert dataclasses.replace(settings.tram, robots=['b', 'a']).ids == ['a', 'b']
