"""Heads and tail in memory, in virtual time, over emulated links."""

import numpy as np
import pytest
from shown_pictures import show
from tiny_split import tiny_bundle

from iot_fl_ros.link.link import LinkSettings
from iot_fl_ros.memory.split import SplitSimulation, WorkTimes

PICTURES = [np.random.default_rng(n).integers(0, 255, (20, 30, 3), np.uint8) for n in range(40)]
BAD = LinkSettings(loss=0.5, burst=3.0, delay=0.01, jitter=0.002, rate=1e6, seed=3)


@pytest.fixture(scope='module')
def bundles(tmp_path_factory):
    folder = tmp_path_factory.mktemp('bundles')
    tiny_bundle(folder / 'tiny')
    return folder


def simulate(bundles, link=LinkSettings(), robots=('robot_0',), rate=20.0, **options):  # noqa: B008
    simulation = SplitSimulation(bundles, robots, 'tiny', link, **options)
    answers = show(simulation, PICTURES, rate)
    # A complete frame overtakes one that waits for its deadline.
    return simulation, sorted(answers, key=lambda a: (a.robot_id, a.frame))


def test_every_picture_is_answered_at_once_on_a_good_link(bundles):
    _, answers = simulate(bundles, times=WorkTimes(0.004, 0.002))
    assert len(answers) == len(PICTURES)
    assert {a.received for a in answers} == {1.0}
    assert [a.latency for a in answers] == pytest.approx([0.006] * len(answers), abs=1e-6)


def test_same_seed_same_answers_on_a_bad_link(bundles):
    _, first = simulate(bundles, BAD)
    _, again = simulate(bundles, BAD)
    assert first == again
    assert 0.3 < np.mean([a.received for a in first]) < 0.7
    assert max(a.latency for a in first) <= 0.2


def test_each_robot_has_losses_of_its_own_and_all_are_answered(bundles):
    robots = ('robot_0', 'robot_1', 'robot_2')
    simulation, answers = simulate(bundles, BAD, robots)
    shares = {r: [a.received for a in answers if a.robot_id == r] for r in robots}
    assert shares['robot_0'] != shares['robot_1'] != shares['robot_2']
    for robot in robots:
        known = simulation.tail.statistics[robot]
        assert known.frames['answered'] == len(shares[robot]) == len(PICTURES)
        assert known.loss.loss == pytest.approx(1 - np.mean(shares[robot]), abs=0.05)


def test_a_quiet_link_is_not_waited_for(bundles):
    _, patient = simulate(bundles, BAD)
    _, quick = simulate(bundles, BAD, quiet_time=0.03)
    assert [a.received for a in quick] == [a.received for a in patient]
    assert np.median([a.latency for a in quick]) < np.median([a.latency for a in patient]) / 2


def test_an_edge_that_is_too_slow_answers_the_newest(bundles):
    simulation, answers = simulate(bundles, rate=50.0, times=WorkTimes(0.001, 0.05))
    frames = simulation.tail.statistics['robot_0'].frames
    assert frames['superseded'] > 10
    assert frames['answered'] + frames['superseded'] == len(PICTURES)
    assert max(a.latency for a in answers) < 0.13, 'nothing was queued'


def test_long_deadlines_do_not_cost_frames(bundles):
    link = LinkSettings(loss=0.3, seed=1)
    simulation, answers = simulate(bundles, link, rate=30.0, deadline=5.0)
    assert len(answers) == len(PICTURES)
    assert simulation.tail.statistics['robot_0'].frames == {'answered': len(PICTURES)}
