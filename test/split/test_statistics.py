"""Counts and measures of heads and tails."""

import math

import pytest

from iot_fl_ros.split.statistics import PacketLoss, Rate, Recent


def noted(*sequences):
    loss = PacketLoss()
    for sequence in sequences:
        loss.note(sequence)
    return loss.received, loss.lost


def test_gaps_are_losses_and_overtaking_is_none():
    assert noted() == (0, 0)
    assert noted(5) == (1, 0)
    assert noted(5, 6, 9, 8) == (4, 1)
    assert noted(5, 4) == (1, 0)  # from before the first
    assert noted(5, 5, 5) == (3, 0)


def test_counting_goes_on_where_the_numbers_begin_again():
    end = 1 << 32
    assert noted(end - 2, end - 1, 0, 2) == (4, 1)
    assert noted(end - 2, 1, end - 1) == (3, 1)


def test_one_number_far_ahead_is_nonsense_but_two_are_a_long_silence():
    assert noted(0, 1, 3_000_000_000, 2, 50_000_000, 3) == (4, 0)
    received, lost = noted(0, 1, 5_000_000, 5_000_001, 5_000_002)
    assert (received, lost) == (4, 4_999_999)


def test_the_share_of_losses():
    loss = PacketLoss()
    assert loss.loss == 0.0
    for sequence in range(0, 101, 4):
        loss.note(sequence)
    assert loss.loss == pytest.approx(75 / 101)


def test_rates_fall_in_silence():
    rate = Rate()
    assert rate.per_second(10.0) == 0.0
    for tick in range(200):
        rate.note(tick / 20)
    assert rate.per_second(199 / 20) == pytest.approx(20.0)
    assert rate.per_second(199 / 20 + 2.45) == pytest.approx(10.0)


def test_quantiles_are_of_what_is_recent():
    recent = Recent()
    assert math.isnan(recent.quantile(0.5))
    assert math.isnan(recent.mean)
    for value in range(1_000):
        recent.add(float(value))
    assert recent.quantile(0.0) == 700.0
    assert recent.quantile(0.5) == recent.mean == 849.5


def test_silence_is_that_since_the_last_time_or_since_it_was_asked_first():
    rate = Rate()
    assert rate.silence(100.0) == 0.0
    assert rate.silence(103.0) == 3.0
    rate.note(104.0)
    assert rate.silence(104.5) == 0.5
