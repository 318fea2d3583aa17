"""Mini-batches of each robot in a cycle, so that all classes are used equally.

Tram-FL, arXiv 2610.07859: minimise sigma(L + sum_i x_i u_i), where L counts the samples of each
class used so far, u_i those of one mini-batch of robot i, and sigma is the variance over classes.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

# Allocations that an exact search may look at; beyond, relaxation and repair.
_EXACT_LIMIT = 200_000
# Cycles may be longer than asked for by so many mini-batches, if that is better balanced.
_LONGER = 2
# Weight of "as many as asked for" against balance in the relaxed problem.
_TOTAL_WEIGHT = 10.0

Counts = NDArray[np.float64]


def variance(usage: Counts) -> float:
    """Return sigma(L) = 1/C sum_c (L_c - mean)^2 (2610.07859, equation of the allocation)."""
    return float(np.var(usage))


def per_batch(class_counts: NDArray[np.int64], batch_size: int) -> Counts:
    """Return the expected samples of each class in one mini-batch of each robot, [robots, C].

    class_counts: private samples, [robots, C]. Robots without samples have zeros.
    """
    totals = class_counts.sum(axis=1, keepdims=True)
    return batch_size * class_counts / np.maximum(totals, 1)


def allocate(usage: Counts, units: Counts, limits: NDArray[np.int64], total: int) -> list[int]:
    """Return the mini-batches of each robot: at least `total` in all, at most `limits` each.

    usage: L, [C]. units: of one mini-batch of each robot, [robots, C]. As many as there are, if
    the limits allow no more. Exact when the fleet is small, else relaxed, rounded and repaired.
    """
    total = min(total, int(limits.sum()))
    longest = min(total + _LONGER, int(limits.sum()))
    if sum(_count(len(units), n) for n in range(total, longest + 1)) <= _EXACT_LIMIT:
        return _exact(usage, units, limits, range(total, longest + 1))
    best: tuple[float, list[int]] | None = None
    for count in range(total, longest + 1):
        shares = _repaired(usage, units, limits, count)
        value = variance(usage + shares @ units)
        if best is None or value < best[0] - 1e-9:
            best = value, shares.tolist()
    assert best is not None
    return best[1]


def _count(robots: int, total: int) -> int:
    """Return the number of ways to share `total` mini-batches among robots."""
    return math.comb(total + robots - 1, robots - 1)


def _exact(usage: Counts, units: Counts, limits: NDArray[np.int64], totals: range) -> list[int]:
    """Look at every allocation; of equally good ones the shortest, then the first."""
    best: tuple[float, NDArray[np.int64]] | None = None
    for total in totals:
        shares = _compositions(total, len(units))
        shares = shares[(shares <= limits).all(axis=1)]
        if not len(shares):
            continue
        values = np.var(usage + shares @ units, axis=1)
        first = int(np.argmin(np.round(values, 9)))
        if best is None or values[first] < best[0] - 1e-9:
            best = float(values[first]), shares[first]
    assert best is not None
    return [int(share) for share in best[1]]


def _compositions(total: int, parts: int) -> NDArray[np.int64]:
    """Return all ways to write `total` as a sum of `parts` numbers >= 0, [ways, parts]."""
    if parts == 1:
        return np.array([[total]], np.int64)
    bars = np.array(list(itertools.combinations(range(total + parts - 1), parts - 1)), np.int64)
    edges = np.concatenate(
        [np.full((len(bars), 1), -1), bars, np.full((len(bars), 1), total + parts - 1)], axis=1
    )
    return np.diff(edges, axis=1) - 1


def _repaired(
    usage: Counts, units: Counts, limits: NDArray[np.int64], total: int
) -> NDArray[np.int64]:
    """Solve for real numbers, round down, add one by one, then move single mini-batches."""
    shares = np.minimum(np.floor(_relaxed(usage, units, limits, total) + 1e-9), limits)
    shares = shares.astype(np.int64)
    while shares.sum() > total:
        shares = _best_step(usage, units, shares, [(int(i), -1) for i in np.flatnonzero(shares)])
    while shares.sum() < total:
        steps = [(int(i), 1) for i in np.flatnonzero(shares < limits)]
        shares = _best_step(usage, units, shares, steps)
    return _moved(usage, units, limits, shares)


def _relaxed(
    usage: Counts, units: Counts, limits: NDArray[np.int64], total: int
) -> NDArray[np.float64]:
    """Return the best real-valued shares: least squares within bounds."""
    from scipy.optimize import lsq_linear  # takes a second, which small fleets do without

    center = np.eye(units.shape[1]) - 1 / units.shape[1]  # takes the mean over classes away
    scale = _TOTAL_WEIGHT * max(1.0, float(units.max()))
    matrix = np.vstack([center @ units.T, np.full((1, len(units)), scale)])
    wanted = np.concatenate([-(center @ usage), [scale * total]])
    upper = np.maximum(limits, 1e-9)  # the solver wants room between its bounds
    result: NDArray[np.float64] = lsq_linear(matrix, wanted, bounds=(0, upper)).x
    return result


def _best_step(
    usage: Counts, units: Counts, shares: NDArray[np.int64], steps: list[tuple[int, int]]
) -> NDArray[np.int64]:
    """Return the shares after the best of single steps (robot, +1 or -1)."""
    now = usage + shares @ units
    values = [round(variance(now + sign * units[robot]), 9) for robot, sign in steps]
    robot, sign = steps[int(np.argmin(values))]
    changed = shares.copy()
    changed[robot] += sign
    return changed


def _moved(
    usage: Counts, units: Counts, limits: NDArray[np.int64], shares: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Move one mini-batch from robot to robot for as long as that makes usage more equal."""
    robots = len(units)
    centered = units - units.mean(axis=1, keepdims=True)
    gram = centered @ centered.T
    while True:
        now = usage + shares @ units
        slope = centered @ (now - now.mean())
        # Variance (times C) after a move i -> j, minus that before.
        change = 2 * (slope[None, :] - slope[:, None]) + (
            np.diag(gram)[None, :] + np.diag(gram)[:, None] - 2 * gram
        )
        change[shares <= 0, :] = np.inf
        change[:, shares >= limits] = np.inf
        change[np.arange(robots), np.arange(robots)] = np.inf
        source, target = np.unravel_index(int(np.argmin(change)), change.shape)
        if not change[source, target] < -1e-9:
            return shares
        shares = shares.copy()
        shares[source] -= 1
        shares[target] += 1
