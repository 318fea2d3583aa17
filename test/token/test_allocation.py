"""Allocation of mini-batches: exact, relaxed, and against each other."""

import itertools

import numpy as np
import pytest

from iot_fl_ros.token import allocation
from iot_fl_ros.token.allocation import allocate, per_batch, variance


def brute_force(usage, units, limits, total):
    """The least variance over every allocation of `total` or up to two more mini-batches."""
    ranges = [range(limit + 1) for limit in limits]
    return min(
        variance(usage + np.array(shares) @ units)
        for shares in itertools.product(*ranges)
        if total <= sum(shares) <= total + 2
    )


def random_fleet(rng, robots, classes=6):
    counts = rng.integers(0, 2, (robots, classes)) * rng.integers(50, 900, (robots, classes))
    counts[:, 0] += 1
    return per_batch(counts, 100), rng.uniform(0, 400, classes)


def test_variance_and_units_by_hand():
    assert variance(np.array([1.0, 3.0])) == 1.0
    units = per_batch(np.array([[30, 10], [0, 0]]), 8)
    assert units.tolist() == [[6.0, 2.0], [0.0, 0.0]]


def test_two_robots_with_one_class_each_share_equally():
    units = per_batch(np.array([[100, 0], [0, 100]]), 10)
    assert allocate(np.zeros(2), units, np.array([9, 9]), 6) == [3, 3]
    # Class 0 was used by one mini-batch more already: the other catches up.
    assert allocate(np.array([10.0, 0.0]), units, np.array([9, 9]), 5) == [2, 3]


@pytest.mark.parametrize('seed', range(12))
def test_exact_is_the_best_there_is(seed):
    rng = np.random.default_rng(seed)
    units, usage = random_fleet(rng, 3)
    limits = rng.integers(2, 8, 3)
    total = int(rng.integers(1, limits.sum() - 1))
    shares = np.array(allocate(usage, units, limits, total))
    assert total <= shares.sum() <= total + 2
    assert (shares <= limits).all()
    best = brute_force(usage, units, limits, total)
    assert variance(usage + shares @ units) == pytest.approx(best, abs=1e-6)


@pytest.mark.parametrize('seed', range(40))
def test_relax_round_repair_is_as_good_as_exhaustive_search(seed, monkeypatch):
    rng = np.random.default_rng(100 + seed)
    units, usage = random_fleet(rng, 4)
    limits = rng.integers(3, 12, 4)
    total = int(rng.integers(4, 12))
    exact = np.array(allocate(usage, units, limits, total))
    monkeypatch.setattr(allocation, '_EXACT_LIMIT', 0)
    repaired = np.array(allocate(usage, units, limits, total))
    assert (repaired >= 0).all()
    assert (repaired <= limits).all()
    assert total <= repaired.sum() <= total + 2
    best = variance(usage + exact @ units)
    assert variance(usage + repaired @ units) <= 1.02 * best + 1e-6


def test_a_hundred_robots_take_a_moment():
    rng = np.random.default_rng(0)
    units, usage = random_fleet(rng, 100, 10)
    shares = np.array(allocate(usage, units, np.full(100, 5), 200))
    assert 200 <= shares.sum() <= 202
    equal = variance(usage + np.full(100, 2) @ units)
    assert variance(usage + shares @ units) < 0.1 * equal


def test_limits_below_what_is_asked_for_are_used_up():
    units = per_batch(np.array([[100, 0], [0, 100]]), 10)
    assert allocate(np.zeros(2), units, np.array([1, 2]), 50) == [1, 2]
