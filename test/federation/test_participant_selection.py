"""Policies and what they stand on, against figures worked out by hand."""

import math

import numpy as np
import pytest

from iot_fl_ros.federation.selection.history import (
    CensoredSums,
    ResponseHistory,
    ResponseRecord,
    TimeEstimate,
)
from iot_fl_ros.federation.selection.policies import (
    POLICIES,
    Seconds,
    SelectionInput,
    parallel,
    round_seconds,
    serial,
)
from iot_fl_ros.federation.selection.settings import POLICY_NAMES, SelectSettings


def seen(*times):
    """Return what is known after whole observations of these (training, upload)."""
    known = TimeEstimate()
    for train, upload in times:
        known = known.plus(ResponseRecord(1, train, upload))
    return known


def ask(policy, known, count, robots=None, *, rounds=10.0, **settings):
    defaults = {'timing': 'serial', 'estimate': 'mean'}
    settings = SelectSettings(policy=policy, **{**defaults, **settings})
    robots = tuple(robots or known)
    return POLICIES[policy](SelectionInput(settings, robots, count, known, rounds))


def test_every_name_in_the_settings_is_a_policy():
    assert tuple(POLICIES) == POLICY_NAMES


def test_theta_of_fedcs():
    # T_UD = 10 + 0 + 11, T_UL = 3 + 5 + 2: Theta = 13, 18, 31.
    elapsed = 0.0
    thetas = []
    for robot in (Seconds(10, 3), Seconds(7, 5), Seconds(29, 2)):
        elapsed = serial(elapsed, robot)
        thetas.append(elapsed)
    assert thetas == [13, 18, 31]


def test_a_round_of_both_radios():
    robots = [Seconds(10, 3), Seconds(7, 5), Seconds(2, 4)]
    # 2 + 4 = 6; 7 + 5 = 12; 12 + 3 = 15, since 10 < 12.
    assert round_seconds('serial', robots) == 15
    assert round_seconds('parallel', robots) == 13
    assert parallel(20.0, Seconds(1, 1)) == 20
    assert round_seconds('serial', []) == 0


def test_fedcs_takes_who_adds_least_one_after_the_other():
    known = {'a': seen((6, 4)), 'b': seen((9, 2)), 'c': seen((1, 12)), 'd': seen((9, 3))}
    # From 0: a adds 10, b 11, c 13, d 12. From 10: b adds 2, c 12, d 3. From 12: c 12, d 3.
    assert ask('fedcs', known, 1) == ['a']
    assert ask('fedcs', known, 2) == ['a', 'b']
    assert ask('fedcs', known, 3) == ['a', 'b', 'd']
    # Side by side, only the sums count: 10, 11, 13, 12.
    assert ask('fedcs', known, 3, timing='parallel') == ['a', 'b', 'd']
    assert ask('fedcs', known, 4, timing='parallel') == ['a', 'b', 'd', 'c']


def test_fedcs_asks_as_many_as_fit_into_the_time():
    known = {'a': seen((6, 4)), 'b': seen((9, 2)), 'c': seen((1, 12)), 'd': seen((9, 3))}
    # After a 10 s, b 12 s, d 15 s, c 27 s.
    assert ask('fedcs', known, 10_000, round_time=15.0) == ['a', 'b', 'd']
    assert ask('fedcs', known, 10_000, round_time=14.9) == ['a', 'b']
    assert ask('fedcs', known, 10_000, round_time=5.0) == ['a'], 'somebody is asked'


def test_who_was_never_asked_comes_first():
    known = {'a': seen((1, 1)), 'b': seen((2, 2))}
    for policy in ('fedcs', 'naive_ucb', 'elementwise_ucb', 'bsfl'):
        assert ask(policy, known, 1, ['b', 'x', 'a']) == ['x'], policy
        assert ask(policy, known, 2, ['b', 'x', 'a'])[0] == 'x', policy
        assert ask(policy, {}, 2, ['y', 'z', 'x']) == ['y', 'z'], policy
    assert ask('fedcs', known, 2, ['b', 'x', 'a']) == ['x', 'a']


def test_naive_ucb_is_means_minus_the_bonus():
    # 8 asked in all: bonus = 1 * 100 sqrt(ln 8 / 2 n) with n = 7 and 1: 38.5 s and 102 s.
    known = {'a': seen(*[(60, 40)] * 7), 'b': seen((80, 80))}
    assert math.sqrt(math.log(8) / 14) == pytest.approx(0.3854, abs=1e-4)
    assert ask('fedcs', known, 1) == ['a']
    settings = {'normaliser': 'percentile'}
    # 95th percentile of 100 and 160 is 157; 157 c (1.0197 - 0.3854) = 60 at c = 0.6025.
    assert ask('naive_ucb', known, 1, exploration=0.60, **settings) == ['a']
    assert ask('naive_ucb', known, 1, exploration=0.61, **settings) == ['b']


def test_elementwise_ucb_is_optimistic_about_each_time():
    # Both add 12 s from 0 by their means. Percentiles: training 9.95, upload 10.9; n = 2 each.
    known = {'a': seen((1, 11), (1, 11)), 'b': seen((10, 2), (10, 2))}
    width = math.sqrt(math.log(4) / 4)
    assert width == pytest.approx(0.5887, abs=1e-4)
    # a: 0 + (11 - 10.55 * 0.5887) = 4.8. b: (10 - 9.55 * 0.5887) + 0 = 4.4.
    chosen = ask('elementwise_ucb', known, 1, exploration=1.0, normaliser='percentile')
    assert chosen == ['b']
    # One bonus on the sum cannot tell them apart: the first one given wins.
    for order in (['a', 'b'], ['b', 'a']):
        assert ask('naive_ucb', known, 1, order, exploration=1.0)[0] == order[0]


def test_each_bandit_of_elementwise_ucb_has_a_unit_of_its_own():
    # 95th percentiles, n = 2 each, c w = 0.5887: training 9.6, cut 5.65; uploads 102.85, cut 60.5.
    known = {'a': seen(*[(10, 100)] * 2), 'b': seen(*[(2, 103)] * 2)}
    settings = {'exploration': 1.0, 'normaliser': 'percentile'}
    # a: 4.35 + 39.45 = 43.8; b: 0 + 42.45. Cut by the larger unit, both train in no time: 39.45.
    assert ask('elementwise_ucb', known, 1, **settings) == ['b']
    # The same with uploads and training exchanged.
    known = {'a': seen(*[(100, 10)] * 2), 'b': seen(*[(103, 2)] * 2)}
    assert ask('elementwise_ucb', known, 1, **settings) == ['b']


@pytest.mark.parametrize('timing', ['serial', 'parallel'])
def test_no_time_is_believed_to_be_below_zero(timing):
    settings = {'exploration': 1.0, 'normaliser': 'percentile', 'timing': timing}
    # Training 10.55, cut 6.21; uploads 19.6, cut 11.54.
    known = {'a': seen(*[(2, 20)] * 2), 'b': seen(*[(11, 12)] * 2)}
    # a: 0 (not -4.21) + 8.46; b: 4.79 + 0.46 = 5.25, and 8.46 - 4.21 would be less.
    assert ask('elementwise_ucb', known, 1, **settings) == ['b']
    # The same with uploads and training exchanged.
    known = {'a': seen(*[(20, 2)] * 2), 'b': seen(*[(12, 11)] * 2)}
    assert ask('elementwise_ucb', known, 1, **settings) == ['b']


def test_the_relative_unit_is_the_pooled_variation():
    # Relative squared differences: a (1 + 1)/100, b (4 + 4)/400; 2 degrees of freedom: v = 0.1414.
    known = {'a': seen((9, 0), (11, 0)), 'b': seen((18, 0), (22, 0))}
    width = math.sqrt(math.log(4) / 4)
    # Uploads are 0. c v width = 0.5 halves both means; a stays the quicker one at any c < 1/(v w).
    assert ask('elementwise_ucb', known, 1, exploration=6.0) == ['a']
    assert 6.0 * math.sqrt(0.04 / 2) * width < 1
    # Who was asked twice as often is believed twice as much.
    known['a'] = seen(*[(9, 0), (11, 0)] * 8)
    # v = sqrt((16/100 + 8/400) / (15 + 1)) = 0.106; ln 18 = 2.89
    # a: 10 (1 - c 0.106 sqrt(2.89/32)) ; b: 20 (1 - c 0.106 sqrt(2.89/4)): equal at c = 6.74.
    assert ask('elementwise_ucb', known, 1, exploration=6.6) == ['a']
    assert ask('elementwise_ucb', known, 1, exploration=6.9) == ['b']


def test_bsfl_maximises_the_least_rate_and_fairness():
    known = {'a': seen((1, 1)), 'b': seen((2, 2)), 'c': seen((4, 4))}
    # Rates with tau_m = 4, that of b: 1 (at most), 1, 1/2. Nobody has taken part more often.
    assert set(ask('bsfl', known, 2, exploration=0.0, fairness=0.0)) == {'a', 'b'}
    # a took part in 10 of 10 rounds: d = 2/3 - 1, g = -(1/3)^5 = -0.0041; b, c: (2/3 - 1/10)^5
    # = 0.0585. {a, b} 1 + alpha 0.0272, {b, c} 1/2 + alpha 0.0585: equal at alpha = 15.97.
    known['a'] = seen(*[(1, 1)] * 10)
    weights = {'exploration': 0.0}
    assert set(ask('bsfl', known, 2, fairness=15.9, **weights)) == {'a', 'b'}
    assert set(ask('bsfl', known, 2, fairness=16.1, **weights)) == {'b', 'c'}


def test_bsfl_is_optimistic_about_the_seldom_asked():
    known = {'a': seen(*[(1, 1)] * 9), 'b': seen((4, 4))}
    # sqrt(ln 10 / 2 n): 0.3577 and 1.0730. Rates 1 and 1/4: equal at c = 1.0485.
    weights = {'fairness': 0.0, 'normaliser': 'percentile'}
    assert ask('bsfl', known, 1, exploration=1.04, **weights) == ['a']
    assert ask('bsfl', known, 1, exploration=1.06, **weights) == ['b']


def test_the_optimism_of_bsfl_is_as_large_as_times_vary():
    # Whole times of 4 s, of which training varies by 1 s and uploads by 0.5 s, independently:
    # variance 2 (1 + 0.25) for each pair, v = sqrt(2.5) / 4.
    often = [(2, 1.5), (4, 0.5), (2, 1.5), (4, 0.5)] * 2
    known = {'often': seen(*often), 'seldom': seen((7, 3.5), (9, 2.5))}
    v = math.sqrt((7 * (8 / 7 * 1.25) / 16 + 2 * 1.25 / 121) / 8)
    rates = [
        sum(1 / (a + b) for a, b in times) / len(times) for times in (often, [(7, 3.5), (9, 2.5)])
    ]
    gain = math.sqrt(math.log(10) / 2) * (1 / math.sqrt(2) - 1 / math.sqrt(8))
    even = (1 - rates[1] / rates[0]) / (v * gain)
    assert ask('bsfl', known, 1, exploration=0.99 * even, fairness=0.0) == ['often']
    assert ask('bsfl', known, 1, exploration=1.01 * even, fairness=0.0) == ['seldom']


def test_where_nothing_is_known_of_how_times_vary_they_vary_by_their_size():
    known = {'a': seen((3, 1)), 'b': seen((8, 0)).faded(0.5)}
    # n is 1 and 1/2, N = 1.5. Rates 1 and 1/2: equal at c = 0.5 / (w_b - w_a).
    widths = [math.sqrt(math.log(1.5) / (2 * n)) for n in (1, 0.5)]
    even = 0.5 / (widths[1] - widths[0])
    assert ask('bsfl', known, 1, exploration=0.99 * even, fairness=0.0) == ['a']
    assert ask('bsfl', known, 1, exploration=1.01 * even, fairness=0.0) == ['b']


@pytest.mark.parametrize('discount', [1.0, 0.9, 0.5, 0.1])
def test_times_that_lose_weight_vary_no_more_for_that(discount):
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(400):
        history = ResponseHistory()
        for round, time in enumerate(rng.normal(10.0, 1.0, 8), start=1):
            history.see(ResponseRecord(round, time, 0.0), discount, 0)
        sums = history.at(9, discount, 0).train
        shares.append(sums.deviations / sums.degrees)
    assert np.mean(shares) == pytest.approx(1.0, abs=0.15)


def test_one_robot_that_takes_no_time_hides_nobodys_speed_from_bsfl():
    known = {'liar': seen((0, 0)), 'quick': seen((1, 1)), 'slow': seen((9, 9))}
    assert set(ask('bsfl', known, 2, exploration=0.02)) == {'liar', 'quick'}


def test_a_missed_deadline_is_a_lower_bound():
    known = seen((10, 5), (20, 5))
    late = known.plus(ResponseRecord(3, 40.0, math.nan, True))
    # 30 s in two ends, then 40 s without one: 70 s of waiting for each two ends.
    assert late.train.mean == 35
    assert late.upload.mean == 5, 'nothing is known of its upload'
    assert late.asked == 3
    assert late.rate == pytest.approx((1 / 15 + 1 / 25) / 3), 'a miss brought nothing'
    slow = late.plus(ResponseRecord(4, 30.0, 12.0, False, True))
    assert slow.train.mean == pytest.approx(100 / 3)
    assert slow.upload.mean == 11, '10 s in two ends and 12 s without one'


def test_the_harmonic_mean_is_the_mean_of_rates():
    known = {'a': seen((1, 0), (9, 0)), 'b': seen((4, 0), (4, 0))}
    # Means 5 and 4; rates (1 + 1/9)/2 and 1/4, so 1.8 s and 4 s.
    assert known['a'].train.harmonic == pytest.approx(1.8)
    assert ask('elementwise_ucb', known, 1, exploration=0.0) == ['b']
    assert ask('elementwise_ucb', known, 1, exploration=0.0, estimate='harmonic') == ['a']
    late = known['b'].plus(ResponseRecord(3, 6.0, math.nan, True))
    assert late.train.harmonic == 7


def test_misses_alone_add_up_and_never_lower_a_mean():
    never = (
        TimeEstimate()
        .plus(ResponseRecord(1, 8.0, math.nan, True))
        .plus(ResponseRecord(2, 8.0, math.nan, True))
    )
    assert never.train.mean == 16
    assert CensoredSums(seen=0.2, ended=0.1, seconds=1.0).plus(3.0, True).mean == 13, (
        'old ends are few'
    )
    for bound in (0.1, 5.0, 100.0):
        assert seen((10, 1)).plus(ResponseRecord(2, bound, math.nan, True)).train.mean >= 10


def test_discount_and_window_forget():
    history, window = ResponseHistory(), ResponseHistory()
    for round, time in ((1, 100.0), (2, 100.0), (5, 10.0)):
        history.see(ResponseRecord(round, time, 0.0), 0.5, 0)
        window.see(ResponseRecord(round, time, 0.0), 1.0, 3)
    # Weights when round 6 opens: 2^-5, 2^-4, 2^-1.
    known = history.at(6, 0.5, 0)
    assert known.asked == pytest.approx(0.59375)
    assert known.train.mean == pytest.approx((100 * 0.09375 + 10 * 0.5) / 0.59375)
    assert window.at(6, 1.0, 3).train.mean == 10, 'rounds 3 to 5'
    assert window.at(9, 1.0, 3).asked == 0
    both = ResponseHistory()
    for observation in (
        ResponseRecord(1, 100.0, 0.0),
        ResponseRecord(4, 40.0, 0.0),
        ResponseRecord(5, 10.0, 0.0),
    ):
        both.see(observation, 0.5, 3)
    assert both.at(6, 0.5, 3).train.mean == pytest.approx((40 * 0.25 + 10 * 0.5) / 0.75)
