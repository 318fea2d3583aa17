"""Loss processes: their rates and bursts, also when asked in small pieces."""

import numpy as np
import pytest

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.link.loss import GilbertElliottLoss, IidLoss, TraceLoss, read_trace

COUNT = 2_000_000


def rng(seed=0):
    return np.random.default_rng(seed)


def bursts(arrived):
    """Lengths of the runs of lost packets."""
    edges = np.flatnonzero(np.diff(np.concatenate([[1], arrived, [1]]).astype(np.int8)))
    return edges[1::2] - edges[0::2]


def in_pieces(process, count):
    """Ask in small pieces of odd sizes, also for nothing."""
    sizes = rng(9).integers(0, 40, count // 15)
    return np.concatenate([process(int(size)) for size in sizes])[:count]


@pytest.mark.parametrize('loss', [0.0, 0.1, 0.5, 0.9, 1.0])
def test_independent_losses_have_their_rate(loss):
    arrived = IidLoss(loss, rng())(COUNT)
    assert arrived.dtype == bool
    assert 1 - arrived.mean() == pytest.approx(loss, abs=0.002)
    if 0 < loss < 1:
        assert bursts(arrived).mean() == pytest.approx(1 / (1 - loss), rel=0.02)


@pytest.mark.parametrize(
    ('loss', 'burst'),
    [(0.3, 5.0), (0.7, 5.0), (0.05, 20.0), (0.5, 2.0), (0.8333, 5.0), (0.5, 1.5)],
)
def test_bursts_have_their_rate_and_length(loss, burst):
    count = int(COUNT * max(1, burst / 2))  # for as many bursts
    arrived = GilbertElliottLoss(loss, burst, rng())(count)
    assert len(arrived) == count
    assert 1 - arrived.mean() == pytest.approx(loss, rel=0.02)
    assert bursts(arrived).mean() == pytest.approx(burst, rel=0.02)


@pytest.mark.parametrize(('loss', 'burst'), [(0.3, 5.0), (0.6, 3.0), (0.5, 1.5)])
def test_bursts_go_on_where_the_call_before_ended(loss, burst):
    arrived = in_pieces(GilbertElliottLoss(loss, burst, rng()), 1_000_000)
    assert len(arrived) == 1_000_000
    assert 1 - arrived.mean() == pytest.approx(loss, rel=0.02)
    assert bursts(arrived).mean() == pytest.approx(burst, rel=0.02)


def test_the_first_packet_is_lost_as_often_as_any():
    first = [GilbertElliottLoss(0.4, 8.0, rng(n))(1)[0] for n in range(5_000)]
    assert 1 - np.mean(first) == pytest.approx(0.4, abs=0.03)


def test_in_bad_periods_some_packets_may_arrive():
    process = GilbertElliottLoss(0.3, 10.0, rng(), loss_when_bad=0.6)
    arrived = process(COUNT)
    assert 1 - arrived.mean() == pytest.approx(0.3, rel=0.02)
    # Two neighbours: both in a bad period, and both lost.
    both = np.mean(~arrived[1:] & ~arrived[:-1])
    assert both == pytest.approx(0.5 * 0.9 * 0.6**2, rel=0.02)


def test_without_losses_nothing_is_lost():
    assert GilbertElliottLoss(0.0, 5.0, rng())(1_000).all()


@pytest.mark.parametrize('burst', [1.0, 2.0, 5.0, 7.0, 11.0])
def test_the_largest_possible_loss_is_possible(burst):
    process = GilbertElliottLoss(burst / (burst + 1), burst, rng())
    arrived = process(200_000)
    assert 1 - arrived.mean() == pytest.approx(burst / (burst + 1), rel=0.02)
    assert (bursts(arrived)[:-1] >= 1).all()


@pytest.mark.parametrize(
    ('loss', 'burst', 'loss_when_bad'),
    [(0.84, 5.0, 1.0), (0.1, 0.5, 1.0), (1.0, 100.0, 1.0), (0.5, 5.0, 0.4), (0.5, 5.0, 0.55)],
)
def test_impossible_bursts_are_refused_with_what_is_possible(loss, burst, loss_when_bad):
    with pytest.raises(ConfigError, match=r'at most 0\.'):
        GilbertElliottLoss(loss, burst, rng(), loss_when_bad)


def test_a_trace_is_replayed_again_and_again():
    trace = np.array([1, 0, 0, 1, 1])
    process = TraceLoss(trace, start=3)
    got = np.concatenate([process(n) for n in (1, 0, 3, 12)])
    assert got.tolist() == np.tile(trace, 5)[3:19].astype(bool).tolist()


def test_a_trace_is_read_from_text(tmp_path):
    path = tmp_path / 'trace.txt'
    path.write_text('110\n0 1\n')
    assert read_trace(path).tolist() == [True, True, False, False, True]


@pytest.mark.parametrize('content', [b'', b' \n', b'1,0', b'012', b'\xff\xfe'])
def test_what_is_no_trace_is_refused(content, tmp_path):
    path = tmp_path / 'trace.txt'
    path.write_bytes(content)
    with pytest.raises(ConfigError, match='trace'):
        read_trace(path)
    with pytest.raises(ConfigError, match='cannot read'):
        read_trace(tmp_path / 'missing')
    with pytest.raises(ConfigError, match='cannot read'):
        read_trace(tmp_path)


@pytest.mark.parametrize('trace', [np.zeros(0), np.zeros((2, 2))])
def test_a_trace_of_nothing_is_refused(trace):
    with pytest.raises(ConfigError, match='list of 0 and 1'):
        TraceLoss(trace)
