"""Links: the same from the same seed; delays, rate, and what asking again costs."""

import numpy as np
import pytest

from iot_fl_ros.link.link import LOST, EmulatedLinks, Link, LinkSettings
from iot_fl_ros.link.loss import delivery_rounds

SIZES = np.full(50, 1_000)


@pytest.mark.parametrize(
    'settings', [LinkSettings(loss=0.4), LinkSettings(loss=0.4, burst=3.0, jitter=0.01)], ids=str
)
def test_the_same_seed_and_name_give_the_same_link(settings):
    first, second, other = (Link(settings, name) for name in ('a', 'a', 'b'))
    assert np.array_equal(first.arrivals(30, 16), second.arrivals(30, 16))
    assert not np.array_equal(first.arrivals(30, 16), other.arrivals(30, 16))
    again = Link(settings, 'a'), Link(settings, 'a')
    assert np.array_equal(*(link.send(1.0, SIZES) for link in again))
    reseeded = Link(LinkSettings(loss=0.4, seed=1), 'a').arrivals(30, 16)
    assert not np.array_equal(reseeded, Link(LinkSettings(loss=0.4), 'a').arrivals(30, 16))


def test_arrivals_come_by_frame_and_packet():
    arrived = Link(LinkSettings(loss=0.5)).arrivals(400, 16)
    assert arrived.shape == (400, 16)
    assert arrived.mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize('settings', [{}, {'burst': 2.0}], ids=str)
def test_nothing_can_be_sent_too(settings):
    link = Link(LinkSettings(loss=0.3, rate=1e3, **settings))
    assert link.send(1.0, np.zeros(0, np.int64)).shape == (0,)
    assert link.arrivals(0, 16).shape == (0, 16)


def test_without_settings_packets_arrive_at_once():
    assert LinkSettings().ideal
    assert np.array_equal(Link(LinkSettings()).send(5.0, SIZES), np.full(50, 5.0))
    for change in ({'loss': 0.1}, {'delay': 1.0}, {'jitter': 1.0}, {'rate': 1.0}, {'trace': 'x'}):
        assert not LinkSettings(**change).ideal


def test_packets_queue_for_a_link_of_limited_rate_also_behind_those_before():
    link = Link(LinkSettings(rate=1e5, delay=0.5))
    np.testing.assert_allclose(link.send(10.0, SIZES[:3]), [10.51, 10.52, 10.53])
    np.testing.assert_allclose(link.send(10.01, SIZES[:2]), [10.54, 10.55])
    np.testing.assert_allclose(link.send(20.0, SIZES[:1]), [20.51])


def test_lost_packets_take_their_time_on_the_link_too():
    arrival = Link(LinkSettings(rate=1e5, loss=0.5)).send(0.0, SIZES)
    lost = arrival == LOST
    assert 10 < lost.sum() < 40
    np.testing.assert_allclose(arrival[~lost], 0.01 * (np.flatnonzero(~lost) + 1))


def test_jitter_has_its_mean_and_lets_packets_overtake():
    late = Link(LinkSettings(jitter=0.02, delay=0.1)).send(0.0, np.full(20_000, 1)) - 0.1
    assert late.min() >= 0
    assert late.mean() == pytest.approx(0.02, rel=0.03)
    assert (np.diff(late) < 0).any()


def test_a_trace_starts_elsewhere_on_every_link(tmp_path):
    path = tmp_path / 'trace.txt'
    path.write_text('1' * 60 + '0' * 40)
    links = [Link(LinkSettings(trace=str(path)), f'robot_{n}') for n in range(8)]
    heads = {link.arrivals(1, 100).tobytes() for link in links}
    assert len(heads) > 4
    assert all(link.arrivals(3, 100).mean() == pytest.approx(0.6) for link in links)


def test_every_robot_has_a_link_of_its_own_and_made_up_ones_cost_no_memory():
    links = EmulatedLinks(LinkSettings(loss=0.5))
    arrived = {
        name: [links(name, 1.0, 100) < LOST for _ in range(64)] for name in ('robot_0', 'robot_1')
    }
    assert arrived['robot_0'] != arrived['robot_1']
    link = Link(LinkSettings(loss=0.5), 'robot_0')
    assert arrived['robot_0'] == link.arrivals(1, 64)[0].tolist()
    for number in range(2_500):
        links(f'made up {number}', 1.0, 100)
    assert len(links._links) <= 1_000


@pytest.mark.parametrize(('loss', 'cost'), [(0.5, 2.0), (0.7, 3.33), (0.9, 10.0), (0.0, 1.0)])
def test_asking_until_it_arrives_costs_what_was_computed(loss, cost):
    tries = delivery_rounds(loss, 1, 200_000, np.random.default_rng(0))
    assert tries.mean() == pytest.approx(cost, rel=0.02)


@pytest.mark.parametrize(('loss', 'packets'), [(0.5, 16), (0.9, 5)])
def test_a_message_needs_all_of_its_packets(loss, packets):
    rounds = delivery_rounds(loss, packets, 50_000, np.random.default_rng(0))
    for attempt in (1, 3, 8, 20):
        expected = (1 - loss**attempt) ** packets
        assert np.mean(rounds <= attempt) == pytest.approx(expected, abs=0.01)
