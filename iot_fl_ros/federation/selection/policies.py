"""Policies: which robots to select, from what is known of them. Functions without state.

Sources: FedCS, Nishio and Yonetani, arXiv 1804.08333, algorithm 3; naive and element-wise UCB,
Yoshida et al., arXiv 2009.13879; BSFL, Ben Ami, Cohen and Zhao, arXiv 2303.10373 (formulas as in
docs/methods.md). Discounted and sliding-window forms: Garivier and Moulines, arXiv 0805.3415.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from iot_fl_ros.federation.selection.history import CensoredSums, TimeEstimate
from iot_fl_ros.federation.selection.settings import SelectSettings

_PERCENTILE = 95
_FAIRNESS_POWER = 5
_KINDS = ('train', 'upload')
_NO_DEGREES = 1e-9  # what rounding leaves of none


@dataclass(frozen=True)
class SelectionInput:
    """The input of a policy. `robots` come in random order, so that ties are broken fairly.

    known: robots that have been asked before. rounds: rounds seen so far, weighted like `known`.
    """

    settings: SelectSettings
    robots: tuple[str, ...]
    count: int
    known: Mapping[str, TimeEstimate]
    rounds: float

    @cached_property
    def logarithm(self) -> float:
        """ln N of all times that somebody was asked."""
        return math.log(max(1.0, sum(known.asked for known in self.known.values())))


@dataclass(frozen=True)
class _Candidate:
    """A robot as a greedy choice weighs it: estimated times, and a bonus in s."""

    seconds: Seconds
    bonus: float = 0.0
    tie: float = 0.0


Policy = Callable[[SelectionInput], list[str]]


def everybody(given: SelectionInput) -> list[str]:
    """Ask all."""
    return list(given.robots)


def at_random(given: SelectionInput) -> list[str]:
    """Ask `count` of them, each as likely as the others."""
    return list(given.robots[: given.count])


def fedcs(given: SelectionInput) -> list[str]:
    """Select the robots that make the shortest round, by their estimated means."""
    means = {i: Seconds(k.train.mean, k.upload.mean) for i, k in given.known.items()}
    return _greedy(given, {i: _Candidate(seconds) for i, seconds in means.items()})


def naive_ucb(given: SelectionInput) -> list[str]:
    """As fedcs, but each robot's share of the time is cut by c unit sqrt(ln N / (2 n_k))."""
    unit = _unit(given, _KINDS)
    candidates = {}
    for robot_id, known in given.known.items():
        seconds = Seconds(_time(given, known.train), _time(given, known.upload))
        candidates[robot_id] = _Candidate(seconds, unit(known) * _width(given, known.asked))
    return _greedy(given, candidates)


def elementwise_ucb(given: SelectionInput) -> list[str]:
    """As fedcs, but training and upload are each cut by c unit sqrt(ln N / (2 n_k))."""
    units = {kind: _unit(given, (kind,)) for kind in _KINDS}
    candidates = {}
    for robot_id, known in given.known.items():
        low = [
            _time(given, sums) - unit(known) * _width(given, sums.seen) if sums.seen else 0.0
            for unit, sums in ((units['train'], known.train), (units['upload'], known.upload))
        ]
        # At 0 many are alike: then those come first that would be lowest.
        seconds = Seconds(max(0.0, low[0]), max(0.0, low[1]))
        candidates[robot_id] = _Candidate(seconds, tie=sum(low))
    return _greedy(given, candidates)


def bsfl(given: SelectionInput) -> list[str]:
    """Ask the set S with the largest min UCB_k + alpha mean g_k, k in S.

    UCB_k = min(1, mean(tau_m / tau)) + c v sqrt(ln N / (2 n_k)); g_k = sign(d) |d|^5 with
    d = m / K - n_k / n; n rounds, K robots, m of them asked, N = sum of n_k. Found exactly: for
    every possible minimum, the fairest robots of those above it. tau is the time that was measured
    here, and tau_m that of the m-th quickest robot, by means. The paper takes the shortest time
    that anybody ever reported: a robot that reports 0 s then makes all others look alike. The
    width is ours too, with v the coefficient of variation of tau, or 1 (`normaliser: percentile`);
    that of the paper, c sqrt((m + 1) ln n / n_k), is of one scale whatever times do.
    """
    chosen, count = _unseen(given)
    if count <= 0:
        return chosen
    share = count / len(given.robots)
    scores, fairness = {}, {}
    best = sorted((given.known[robot_id].rate for robot_id in _seen(given)), reverse=True)
    quick = best[: given.count][-1] if best else 0.0
    unit = 1.0 if given.settings.normaliser == 'percentile' else _variation(given, _KINDS)
    for robot_id in _seen(given):
        known = given.known[robot_id]
        rate = min(1.0, known.rate / quick) if quick else 0.0
        scores[robot_id] = rate + unit * _width(given, known.asked)
        d = share - known.asked / max(1.0, given.rounds)
        fairness[robot_id] = given.settings.fairness * math.copysign(abs(d) ** _FAIRNESS_POWER, d)
    return chosen + _max_min(scores, fairness, count)


POLICIES: dict[str, Policy] = {
    'all': everybody,
    'random': at_random,
    'fedcs': fedcs,
    'naive_ucb': naive_ucb,
    'elementwise_ucb': elementwise_ucb,
    'bsfl': bsfl,
}


def _unseen(given: SelectionInput) -> tuple[list[str], int]:
    """Return those to ask because nothing is known of them, and how many are left to choose."""
    unseen = [i for i in given.robots if i not in given.known][: given.count]
    return unseen, min(given.count, len(given.robots)) - len(unseen)


def _seen(given: SelectionInput) -> list[str]:
    return [robot_id for robot_id in given.robots if robot_id in given.known]


def _greedy(given: SelectionInput, candidates: Mapping[str, _Candidate]) -> list[str]:
    """Greedily add the robot that lengthens the round least, less its bonus.

    With `round_time`, who would make the round longer than that is left out; somebody is asked.
    """
    chosen, count = _unseen(given)
    add = TIMINGS[given.settings.timing]
    limit = given.settings.round_time or math.inf
    serial = given.settings.timing == 'serial'
    elapsed = 0.0
    pool = _seen(given)
    while pool and count > 0:

        def cost(robot_id: str, elapsed: float = elapsed) -> tuple[float, float]:
            one = candidates[robot_id]
            # Side by side, who is within the time of another adds nothing: compare whole times.
            now = add(elapsed, one.seconds) - elapsed if serial else sum(one.seconds)
            return now - one.bonus, one.tie

        best = min(pool, key=cost)
        pool.remove(best)
        longer = add(elapsed, candidates[best].seconds)
        if longer > limit and chosen:
            continue
        chosen.append(best)
        count -= 1
        elapsed = longer
    return chosen


def _time(given: SelectionInput, sums: CensoredSums) -> float:
    return sums.harmonic if given.settings.estimate == 'harmonic' else sums.mean


def _width(given: SelectionInput, asked: float) -> float:
    return given.settings.exploration * math.sqrt(given.logarithm / (2 * asked))


def _unit(given: SelectionInput, kinds: tuple[str, ...]) -> Callable[[TimeEstimate], float]:
    """Return what gives the unit of the optimism about a robot, s."""

    def mean(known: TimeEstimate) -> float:
        return sum(_time(given, getattr(known, kind)) for kind in kinds)

    if given.settings.normaliser == 'percentile':
        means = [mean(known) for known in given.known.values()]
        percentile = float(np.percentile(means, _PERCENTILE)) if means else 0.0
        return lambda known: percentile
    variation = _variation(given, kinds)
    return lambda known: variation * mean(known)


def _variation(given: SelectionInput, kinds: tuple[str, ...]) -> float:
    """Return the coefficient of variation of one robot's time, pooled over robots; 1 = unknown.

    A rate that varies by some share makes times that vary by a share, so it is pooled relative to
    each robot's mean. kinds: that the time consists of; they vary independently.
    """
    total, degrees = 0.0, 0.0
    for known in given.known.values():
        sums: list[CensoredSums] = [getattr(known, kind) for kind in kinds]
        seconds = sum(one.seconds / one.ended for one in sums if one.ended)
        fewest = min(one.degrees for one in sums)
        if fewest > _NO_DEGREES and seconds:
            variance = sum(one.deviations / one.degrees for one in sums)
            total += fewest * variance / seconds**2
            degrees += fewest
    return math.sqrt(total / degrees) if degrees else 1.0


def _max_min(scores: Mapping[str, float], fairness: Mapping[str, float], count: int) -> list[str]:
    """Return the `count` robots with the largest (least score + mean fairness)."""
    ranked = sorted(scores, key=lambda robot_id: -scores[robot_id])
    order = {robot_id: place for place, robot_id in enumerate(ranked)}
    fairest: list[tuple[float, int]] = []  # of those above the minimum, all but one of a set
    best, value = ranked[:count], -math.inf
    for lowest in ranked:
        if len(fairest) == count - 1:
            worth = scores[lowest] + (fairness[lowest] + sum(f for f, _ in fairest)) / count
            if worth > value:
                best, value = [lowest, *(ranked[-place] for _, place in fairest)], worth
        heapq.heappush(fairest, (fairness[lowest], -order[lowest]))
        if len(fairest) == count:
            heapq.heappop(fairest)
    return best


class Seconds(NamedTuple):
    """Training and upload time of a robot, s; an upload waits for nothing but its own bytes."""

    train: float
    upload: float


Timing = Callable[[float, Seconds], float]


def serial(elapsed: float, robot: Seconds) -> float:
    """Return when a round of `elapsed` s ends with another robot that uploads last.

    FedCS: Theta_i = Theta_{i-1} + t_UL + max(0, t_UD - Theta_{i-1}).
    """
    return max(elapsed, robot.train) + robot.upload


def parallel(elapsed: float, robot: Seconds) -> float:
    """Return when a round of `elapsed` s ends with another robot beside the others."""
    return max(elapsed, robot.train + robot.upload)


TIMINGS: dict[str, Timing] = {'serial': serial, 'parallel': parallel}


def round_seconds(timing: str, robots: Iterable[Seconds]) -> float:
    """Return how long a round of these robots lasts; who has trained first uploads first.

    Serial: one radio channel, uploads go one after the other (FedCS, arXiv 1804.08333). Parallel:
    every robot has a channel of its own, as on a Wi-Fi that is not full. The way down is left out.
    """
    elapsed = 0.0
    for robot in sorted(robots):
        elapsed = TIMINGS[timing](elapsed, robot)
    return elapsed
