"""The aggregator's memory of robots: filters, observations of a round, checkpoints."""

import dataclasses
import json
import math
from collections import Counter

import numpy as np
import pytest

from iot_fl_ros.core.messages.chunks import TensorChunk
from iot_fl_ros.core.messages.federation import RobotState, RobotStatus
from iot_fl_ros.core.tensors import TensorSpec
from iot_fl_ros.exchange.chunking import Parcel
from iot_fl_ros.exchange.open_round import OpenRound
from iot_fl_ros.federation.selection.history import ResponseRecord, TimeEstimate, records_of
from iot_fl_ros.federation.selection.selector import ParticipantSelector
from iot_fl_ros.federation.selection.settings import POLICY_NAMES, SelectSettings

ROBOTS = [f'robot_{i}' for i in range(8)]
VALUES = np.zeros(4, np.float32)
PARCEL = Parcel.of({'state': VALUES}, round=1, model_version=0)


class FakeMethod:
    def update_specs(self, round):
        return (TensorSpec('state', 'float32', VALUES.shape),)

    def check_values(self, tensors, round):
        pass


def status(robot_id, train=1.0, **changes):
    plain = RobotStatus(
        stamp=0.0,
        run_id='r',
        robot_id=robot_id,
        sequence=1,
        started=0.0,
        state=RobotState.UPLOADING,
        reason='',
        round=1,
        model_version=0,
        update_digest=PARCEL.digest,
        samples=9,
        loss=0.1,
        accuracy=math.nan,
        train_seconds=train,
        wait_seconds=0.0,
        bytes_received=0,
        bytes_sent=0,
    )
    return dataclasses.replace(plain, **changes)


def play(selector, rounds):
    """Let robot i train i + 1 s and upload 1 s, and robot 7 miss everything; return the asked."""
    asked = []
    for round in rounds:
        asked.append(selector.ask(ROBOTS, round))
        observations = {
            i: ResponseRecord(round, 1.0 + ROBOTS.index(i), 1.0)
            if i != 'robot_7' else ResponseRecord(round, 20.0, math.nan, True)
            for i in asked[-1]
        }  # fmt: skip
        selector.observe(observations)
    return asked


@pytest.mark.parametrize('forgetting', [{}, {'discount': 0.9}, {'window': 4}])
@pytest.mark.parametrize('policy', POLICY_NAMES)
def test_a_checkpoint_brings_back_every_choice(policy, forgetting):
    settings = SelectSettings(policy=policy, count=3, **forgetting)
    whole = ParticipantSelector(settings, 5, quorum=0)
    expected = play(whole, range(1, 21))
    first = ParticipantSelector(settings, 5, quorum=0)
    begin = play(first, range(1, 12))
    second = ParticipantSelector(settings, 5, quorum=0)
    second.restore(json.loads(json.dumps(first.state(), allow_nan=False)))
    assert begin + play(second, range(12, 21)) == expected
    assert second.state() == whole.state()


@pytest.mark.parametrize('policy', ['fedcs', 'naive_ucb', 'elementwise_ucb', 'bsfl'])
def test_all_are_asked_once_and_then_the_quick_ones(policy):
    asked = play(
        ParticipantSelector(SelectSettings(policy=policy, count=2, exploration=0.05), 0, 0),
        range(40),
    )
    assert sorted(asked[1] + asked[2] + asked[3] + asked[0]) == ROBOTS
    times = [sum(robot_id in round for round in asked) for robot_id in ROBOTS]
    assert times[0] > 20 > 5 > times[6] >= times[7] >= 1


def test_another_seed_is_another_choice_and_the_order_of_robots_is_not():
    settings = SelectSettings(policy='random', count=3)
    asked = [ParticipantSelector(settings, seed, 0).ask(ROBOTS, 1) for seed in range(10)]
    assert len(set(map(tuple, asked))) > 3
    assert ParticipantSelector(settings, 0, 0).ask(ROBOTS[::-1], 1) == asked[0]
    counts = [ParticipantSelector(settings, 0, 0).ask(ROBOTS, round) for round in range(400)]
    for robot_id in ROBOTS:
        assert 110 < sum(robot_id in chosen for chosen in counts) < 190, 'each in 3 of 8 rounds'


def test_a_quorum_can_always_be_reached():
    assert (
        len(
            ParticipantSelector(SelectSettings(policy='random', count=2), 0, quorum=5).ask(
                ROBOTS, 1
            )
        )
        == 5
    )
    few = ParticipantSelector(SelectSettings(policy='fedcs', round_time=0.5), 0, quorum=4)
    few.observe({robot_id: ResponseRecord(1, 1.0, 1.0) for robot_id in ROBOTS})
    assert len(few.ask(ROBOTS, 2)) == 4


def test_filters_by_battery_and_tags():
    statuses = {
        'full': status('full', battery=0.9, tags=('indoor', 'arm')),
        'low': status('low', battery=0.1, tags=('indoor',)),
        'mains': status('mains', tags=('indoor', 'noisy')),
        'plain': status('plain', battery=0.5),
    }

    def eligible(**settings):
        return ParticipantSelector(SelectSettings(**settings), 0, 0).eligible(statuses)

    assert eligible() == list(statuses)
    assert eligible(min_battery=0.5) == ['full', 'mains', 'plain']
    assert eligible(tags=['indoor']) == ['full', 'low', 'mains']
    assert eligible(tags=['indoor', 'arm']) == ['full']
    assert eligible(avoid_tags=['noisy', 'arm']) == ['low', 'plain']
    assert eligible(tags=['indoor'], min_battery=0.2, avoid_tags=['noisy']) == ['full']


def whole(opened, robot_id, at):
    """Let the update of a robot be whole."""
    (chunk,) = PARCEL.chunks(
        TensorChunk, run_id='r', sender_id=robot_id, stamp=0.0, first_sequence=0
    )
    opened.add_chunk(chunk, FakeMethod())
    assert opened.settle(robot_id, FakeMethod(), at)


def closed_round():
    """Return a round of 5 robots, opened at 100 s.

    a, b, c announce at 110, 112 and 113 s; a and b are whole at 115 and 121 s; c and d (announced
    at 120 s) are not; e is not heard of.
    """
    opened = OpenRound(1, 0, ['a', 'b', 'c', 'd', 'e'], 100.0)
    for robot_id, train, at in (('a', 9.0, 110.0), ('b', 50.0, 112.0), ('c', 13, 113.0),
                                ('d', 20.0, 120.0)):  # fmt: skip
        opened.add_status(status(robot_id, float(train)), at)
    whole(opened, 'a', 115.0)
    whole(opened, 'b', 121.0)
    return opened


def test_what_a_round_with_parallel_uploads_shows():
    assert records_of(closed_round(), 'parallel', 130.0) == {
        'a': ResponseRecord(1, 10.0, 5.0),  # it says 9 s, but 10 s passed here
        'b': ResponseRecord(1, 12.0, 9.0),  # it says 50 s
        'c': ResponseRecord(1, 13.0, 17.0, False, True),
        'd': ResponseRecord(1, 20.0, 10.0, False, True),
        'e': ResponseRecord(1, 30.0, pytest.approx(math.nan, nan_ok=True), True),
    }


def test_what_a_round_with_serial_uploads_shows():
    observations = records_of(closed_round(), 'serial', 130.0)
    assert observations['a'] == ResponseRecord(1, 10.0, 5.0)
    assert observations['b'] == ResponseRecord(1, 12.0, 6.0), 'it waited for a until 115 s'
    assert observations['c'] == ResponseRecord(1, 13.0, 17.0, False, True)
    assert observations['d'] == ResponseRecord(1, 20.0, 10.0, False, True)
    assert observations['e'].train_at_least


@pytest.mark.parametrize('timing', ['serial', 'parallel'])
def test_who_announces_what_it_does_not_have_yet_is_not_taken_for_quick(timing):
    opened = OpenRound(1, 0, ['honest', 'liar'], 100.0)
    opened.add_status(status('liar', 0.0), 100.0)
    opened.add_status(status('honest', 10.0), 110.0)
    whole(opened, 'honest', 129.0)
    whole(opened, 'liar', 130.0)
    records = records_of(opened, timing, 130.0)
    assert records['honest'] == ResponseRecord(1, 10.0, 19.0)
    assert math.isnan(records['liar'].train)
    assert records['liar'].upload == 30.0
    known = TimeEstimate().plus(records['liar'])
    assert known.rate == pytest.approx(1 / 30), 'and its rate is a number'


@pytest.mark.parametrize('policy', ['fedcs', 'naive_ucb', 'elementwise_ucb', 'bsfl'])
@pytest.mark.parametrize('delay', [0.0, 0.001])
@pytest.mark.parametrize('timing', ['serial', 'parallel'])
def test_who_announces_and_never_delivers_is_hardly_asked(timing, delay, policy):
    settings = SelectSettings(policy=policy, count=4, timing=timing, exploration=0.02)
    selector = ParticipantSelector(settings, 0, 0)
    robots = [f'honest_{n}' for n in range(10)] + ['liar_0', 'liar_1']
    asked = Counter()
    for number in range(1, 61):
        start = 1_000.0 * number
        chosen = selector.ask(robots, number)
        asked.update(chosen)
        opened = OpenRound(number, 0, chosen, start)
        honest = [robot_id for robot_id in chosen if robot_id.startswith('honest')]
        for robot_id in set(chosen) - set(honest):
            opened.add_status(status(robot_id, 0.0, round=number), start)
            opened.add_status(status(robot_id, 0.0, round=number), start + delay)
        for place, robot_id in enumerate(honest):
            opened.add_status(status(robot_id, 10.0, round=number), start + 10.0)
            opened.arrived[robot_id] = start + 15.0 + 5.0 * place
        # The quorum closes the round when the last of the others is there.
        selector.observe(records_of(opened, timing, max(opened.arrived.values())))
    assert asked['liar_0'] + asked['liar_1'] < 12


def test_absurd_times_do_no_harm():
    opened = OpenRound(1, 0, ['a', 'b'], 100.0)
    opened.add_status(status('a', 1e308), 100.0)
    observations = records_of(opened, 'parallel', 130.0)
    assert math.isnan(observations['a'].train)
    for policy in ('naive_ucb', 'elementwise_ucb', 'bsfl'):
        for normaliser in ('relative', 'percentile'):
            selector = ParticipantSelector(
                SelectSettings(policy=policy, count=1, normaliser=normaliser), 0, 0
            )
            for round in range(1, 6):
                lies = ResponseRecord(round, [2.6e6, 0.0][round % 2], 0.0)
                selector.observe({'a': lies, 'b': ResponseRecord(round, 1.0, 1.0)})
                assert len(selector.ask(['a', 'b'], round + 1)) == 1
            json.dumps(selector.state(), allow_nan=False)


def test_rounds_weigh_like_sights():
    selector = ParticipantSelector(SelectSettings(policy='bsfl', discount=0.9), 0, 0)
    for round in range(1, 30):
        selector.observe({'a': ResponseRecord(round, 1.0, 1.0)})
    asked = selector._known(['a'], 30)['a'].asked
    assert selector._rounds(30) == pytest.approx(asked), 'it took part in all of them'


def test_of_an_update_from_before_the_round_the_upload_is_seen_from_the_opening_on():
    opened = OpenRound(1, 0, ['a'], 100.0)
    opened.add_status(status('a', 0.0), 100.0)  # it says that it took no time
    opened.add_status(status('a', 0.0), 101.0)
    observation = records_of(opened, 'serial', 130.0)['a']
    assert math.isnan(observation.train)
    assert (observation.upload, observation.upload_at_least) == (30.0, True)
    selector = ParticipantSelector(SelectSettings(policy='naive_ucb', count=1), 0, 0)
    selector.observe({'a': observation})
    assert selector.ask(['a', 'b'], 2) == ['b'], 'a has been seen'
