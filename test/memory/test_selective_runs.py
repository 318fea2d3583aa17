"""Whole runs in memory in which not everybody is asked."""

import json

import numpy as np
import pytest

from iot_fl_ros.core.messages.chunks import TensorChunk
from iot_fl_ros.core.messages.federation import AGGREGATOR, RobotStatus
from iot_fl_ros.core.names import robot_ids
from iot_fl_ros.exchange.chunking import Parcel
from iot_fl_ros.federation.selection.settings import POLICY_NAMES, SelectSettings
from iot_fl_ros.federation.settings import FleetSettings
from iot_fl_ros.memory.federation import Simulation
from iot_fl_ros.memory.network import RobotUplink
from iot_fl_ros.memory.resources import Resources, ResourceSettings
from iot_fl_ros.methods.method import StarMethod
from iot_fl_ros.methods.registry import methods_of
from iot_fl_ros.studies.selection import GameSettings, play

IDS = robot_ids(6)


def simulation_of(settings, *, uplink=None, tags=None, robots=6, **more):
    flat = {k: v for k, v in settings.items() if not k.startswith('method.')}
    flat |= {
        'method.name': 'fedavg', 'method.batch_size': 10, 'model.name': 'mlp', 'run.rounds': 12,
        'run.robots': robots, 'data.partition': 'iid', 'select.count': 2,
        'select.exploration': 0.05, **more,
    }  # fmt: skip
    return Simulation(
        FleetSettings.from_flat(flat), robots=robots, uplink=uplink, tags=tags or {},
        # robot_0 takes 1 s, robot_5 6 s
        train_seconds=lambda robot_id, round: 1.0 + IDS.index(robot_id),
    )  # fmt: skip


def run(simulation):
    simulation.start_all()
    simulation.run()
    return simulation.rows


def asked_in(rows):
    return [tuple(row['participants']) for row in rows if row['kind'] == 'open']


@pytest.mark.parametrize('policy', POLICY_NAMES)
def test_the_same_seed_asks_the_same_and_slow_robots_less(policy, toy_settings):
    settings = {'select.policy': policy, 'select.timing': 'serial'}
    first = asked_in(run(simulation_of(toy_settings, **settings)))
    assert asked_in(run(simulation_of(toy_settings, **settings))) == first
    assert {len(robots) for robots in first} == ({6} if policy == 'all' else {2})
    times = [sum(robot_id in robots for robots in first) for robot_id in IDS]
    assert min(times) >= 1
    if policy not in ('all', 'random'):
        assert times[0] > 2 * times[5]


def test_policies_change_who_is_asked(toy_settings):
    asked = {
        tuple(asked_in(run(simulation_of(toy_settings, **{'select.policy': policy}))))
        for policy in ('all', 'random', 'fedcs')
    }
    assert len(asked) == 3


@pytest.mark.parametrize('method', methods_of(StarMethod))
@pytest.mark.parametrize('policy', ['random', 'elementwise_ucb'])
def test_every_method_learns_from_some(method, policy, toy_settings):
    more = {'method.name': method, 'select.policy': policy, 'select.count': 3}
    if method == 'dsfl':
        more |= {'method.open_samples': 60, 'method.cache_rounds': 3, 'method.delta_rounds': 3}
    simulation = simulation_of(toy_settings, **more)
    rounds = [row for row in run(simulation) if row['kind'] == 'round']
    accuracy = rounds[-1]['accuracy' if method not in ('alone', 'fd') else 'robot_accuracy']
    assert accuracy > 0.5, 'four classes: chance is 0.25'
    assert all(len(row['participants']) == 3 for row in rounds)
    for host in simulation.hosts.values():
        assert not host.machine.endpoint.refusals, (
            f'{host.name} refused {host.machine.endpoint.refusals}'
        )


def test_rows_say_what_was_measured(toy_settings):
    uplink = RobotUplink(lambda robot_id, round: 100_000.0, serial=True)
    settings = {'select.policy': 'random', 'select.timing': 'serial'}
    simulation = simulation_of(toy_settings, uplink=uplink, **settings)
    rows = [row for row in run(simulation) if row['kind'] == 'robot']
    size = len(simulation.aggregator._history.newest.payload)
    for row in rows:
        assert row['train_seconds'] == pytest.approx(1.0 + IDS.index(row['robot']), abs=0.01)
        assert row['upload_seconds'] == pytest.approx(size / 100_000.0, rel=0.01)


def test_a_robot_measures_its_upload_and_says_so(toy_settings):
    uplink = RobotUplink(lambda robot_id, round: 100_000.0, serial=False)
    simulation = simulation_of(toy_settings, uplink=uplink, **{'select.policy': 'random'})
    statuses = []
    simulation.network.join(
        'listener', (RobotStatus,), lambda message, size: statuses.append(message)
    )
    run(simulation)
    size = len(simulation.aggregator._history.newest.payload)
    measured = [s.upload_seconds for s in statuses if s.upload_seconds == s.upload_seconds]
    assert measured
    assert min(measured) == pytest.approx(size / 100_000.0, rel=0.01)
    assert max(measured) == pytest.approx(size / 100_000.0, rel=0.01)


def test_tags_decide_who_is_asked(toy_settings):
    tags = dict.fromkeys(IDS[:3], ('arm',)) | {'robot_2': ('arm', 'noisy')}
    settings = {'select.tags': ['arm'], 'select.avoid_tags': ['noisy'], 'run.start_timeout': 5.0}
    simulation = simulation_of(toy_settings, tags=tags, **settings)
    assert set(asked_in(run(simulation))) == {('robot_0', 'robot_1')}


def test_a_missed_deadline_is_remembered_across_a_restart(toy_settings):
    settings = {'select.policy': 'elementwise_ucb', 'run.deadline': 4.5, 'run.rounds': 10}
    calm = asked_in(run(simulation_of(toy_settings, **settings)))
    simulation = simulation_of(toy_settings, **settings)
    manifests = []
    simulation.clock.at(9.0, lambda: simulation.crash(AGGREGATOR))
    simulation.clock.at(9.2, lambda: simulation.start(AGGREGATOR))
    simulation.clock.at(9.1, lambda: manifests.append(simulation._stores[AGGREGATOR].read()[0]))
    rows = run(simulation)
    kept = json.loads(json.dumps(manifests[0]['selector'], allow_nan=False))['robots']
    # [round, asked, rates, training, upload, observations]: training waited for in vain
    assert any(history[3][4] > 4.0 for history in kept.values())
    asked = {row['round']: tuple(row['participants']) for row in rows if row['kind'] == 'open'}
    assert sorted(asked) == list(range(1, 11))
    seen = {robot_id for robots in calm for robot_id in robots}
    assert seen == set(IDS), 'who misses is not asked for ever'
    times = [sum(robot_id in robots for robots in asked.values()) for robot_id in IDS]
    assert times[0] > times[4]
    assert times[0] > times[5]


# --- radio and robots ----------------------------------------------------------------------------


def chunk(sender, value=0.0):

    parcel = Parcel.of({'x': np.full(4, value, np.float32)}, round=3, model_version=0)
    (message,) = parcel.chunks(
        TensorChunk, run_id='r', sender_id=sender, stamp=0.0, first_sequence=0
    )
    return message


def test_uplinks_take_their_time():
    def rate(robot_id, round):
        assert round == 3
        return {'a': 100.0, 'b': 50.0}[robot_id]

    serial, parallel = RobotUplink(rate, serial=True), RobotUplink(rate, serial=False)
    assert serial.leaves(chunk('a'), 1000, 5.0) == 15.0
    assert serial.leaves(chunk('b'), 1000, 6.0) == 35.0
    assert parallel.leaves(chunk('a'), 1000, 5.0) == 15.0
    assert parallel.leaves(chunk('b'), 1000, 6.0) == 26.0
    assert serial.leaves(chunk('b'), 1000, 34.0) is None, 'it is under way'
    assert serial.leaves(chunk('b'), 1000, 36.0) == 56.0
    assert parallel.leaves(chunk('a', 1.0), 500, 6.0) == 20.0, 'another update'


def test_resources_are_seeded_and_keep_their_means():
    ids = robot_ids(400)
    settings = ResourceSettings(spread=1.5)
    world, again = Resources(settings, ids, 1), Resources(settings, ids, 1)
    other = Resources(settings, ids, 2)
    assert world.seconds(ids[7], 3, 1e5) == again.seconds(ids[7], 3, 1e5)
    assert world.seconds(ids[7], 3, 1e5) != other.seconds(ids[7], 3, 1e5)
    still = Resources(ResourceSettings(), ids, 1)
    factors = [
        world.speed(robot_id, round) / still.speed(robot_id, 0)
        for robot_id in ids
        for round in range(5)
    ]
    assert sum(factors) / len(factors) == pytest.approx(1.0, abs=0.03)
    assert 0.1 <= min(factors) < 0.15
    assert 1.85 < max(factors) <= 1.9
    # The mean of 1 / factor over a uniform 0.1..1.9 would be 1.64; in the middle there are more.
    slower = world.mean_seconds(ids[0], 0, 0.0).train / still.train_seconds(ids[0], 0)
    inverse = [1 / factor for factor in factors]
    assert slower == pytest.approx(sum(inverse) / len(inverse), rel=0.05)
    assert 1.3 < slower < 1.64


def test_the_rate_follows_from_the_distance():
    ids = robot_ids(400)
    world = Resources(ResourceSettings(), ids, 0)
    rates = sorted(8 * world.rate(robot_id, 1) for robot_id in ids)
    assert rates[-1] == 8.6e6
    # 2 km: 139.4 dB; 20 - 139.4 + 106.4 = -13 dB; 1.8 MHz log2(1 + 0.05) = 0.127 Mbit/s.
    assert rates[0] == pytest.approx(0.127e6, rel=0.05)
    moving = Resources(ResourceSettings(step=0.1), ids, 0)
    assert moving.rate(ids[0], 0) == world.rate(ids[0], 0)
    changed = [moving.rate(robot_id, 30) != world.rate(robot_id, 30) for robot_id in ids]
    assert sum(changed) > 300
    assert [8 * moving.rate(i, 60) >= 0.12e6 for i in ids] == [True] * 400, 'nobody leaves'


def test_games_show_what_policies_are_worth():
    game, robots = GameSettings(robots=30, rounds=60), ResourceSettings(spread=0.2)
    seconds = {
        policy: sum(play(game, SelectSettings(policy=policy, count=3), robots, 0))
        for policy in ('random', 'fedcs', 'elementwise_ucb', 'bsfl')
    }
    assert seconds['fedcs'] < 0.6 * seconds['random']
    told = GameSettings(robots=30, rounds=60, told=True)
    best = play(told, SelectSettings(policy='fedcs', count=3), robots, 0)
    assert sum(best) < min(seconds.values()), 'nobody explores'
    assert sum(best[-20:]) < 0.5 * sum(
        play(told, SelectSettings(policy='random', count=3), robots, 0)[-20:]
    )
    assert seconds['elementwise_ucb'] < 0.6 * seconds['random']
    assert seconds['bsfl'] < seconds['random']
    short = GameSettings(robots=30, rounds=60, deadline=20.0)
    durations = play(short, SelectSettings(policy='naive_ucb', count=3), robots, 0)
    assert max(durations) == 20.0
    assert sum(duration == 20.0 for duration in durations[20:]) < 10
