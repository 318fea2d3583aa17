"""The next stop of a token, and how long it trains there.

cycle: arXiv 2610.07859, section on allocation and routing. dynamic: one hop at a time, after the
first version, arXiv 2308.04762. load_aware: after arXiv 2506.09769, simplified: whole
mini-batches instead of shares of classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.token.allocation import Counts, allocate, per_batch, variance
from iot_fl_ros.token.settings import TramSettings

# What a robot is taken for that has not been measured yet.
_UNKNOWN_BATCH_SECONDS = 0.1
_UNKNOWN_LINK_RATE = 1e6


@dataclass(frozen=True)
class Site:
    """A robot as a place to train: samples of each class, s a mini-batch, bytes/s to it.

    NaN = not known.
    """

    class_counts: tuple[int, ...]
    batch_seconds: float = math.nan
    link_rate: float = math.nan


Sites = Mapping[str, Site]


@dataclass(frozen=True)
class Plan:
    """Robots in the order of their visits, and the mini-batches of each."""

    route: tuple[str, ...]
    shares: tuple[int, ...]


def plan_cycle(
    settings: TramSettings, sites: Sites, usage: Sequence[int], holder: str, token_bytes: int
) -> Plan:
    """Return the next plan; empty if no robot has samples.

    sites: robots that are there, the holder among them. usage: samples of each class used so far.
    """
    sites = {robot: sites[robot] for robot in sorted(sites) if sum(sites[robot].class_counts) > 0}
    robots = list(sites)
    if not robots:
        return Plan((), ())
    counts = np.array([sites[robot].class_counts for robot in robots], np.int64)
    units = per_batch(counts, settings.batch_size)
    used = np.array(usage, np.float64)
    if settings.routing == 'cycle':
        limits = np.maximum(
            1, settings.share_cap * counts.sum(axis=1) // settings.batch_size
        ).astype(np.int64)
        shares = allocate(used, units, limits, settings.cycle_batches)
        return _in_order(robots, shares, holder)
    if settings.routing == 'dynamic':
        values = [variance(used + settings.visit_batches * unit) for unit in units]
        return Plan((robots[int(np.argmin(values))],), (settings.visit_batches,))
    return _load_aware(settings, sites, units, used, holder, token_bytes)


def _in_order(robots: Sequence[str], shares: Sequence[int], holder: str) -> Plan:
    """Visit in descending share; the holder first, which saves a hop."""
    visited = [(robot, share) for robot, share in zip(robots, shares, strict=True) if share]
    visited.sort(key=lambda item: (item[0] != holder, -item[1], item[0]))
    return Plan(tuple(robot for robot, _ in visited), tuple(share for _, share in visited))


def _load_aware(
    settings: TramSettings, sites: Sites, units: Counts, used: Counts, holder: str, size: int
) -> Plan:
    """Return the visit of least time a mini-batch among those that leave usage balanced enough."""
    batches = np.arange(1, settings.visit_batches + 1)
    after = used + batches[None, :, None] * units[:, None, :]
    # In shares of a class in a cycle: relative to all that was used, a token late in a run could
    # stay with one robot until it has forgotten the classes of the others.
    share = settings.cycle_batches * settings.batch_size / len(used)
    spread = after.var(axis=2) / share**2
    seconds = np.array([_seconds(sites[r], r == holder, batches, size) for r in sites])
    # Where nothing is balanced enough, balance comes first: what is only a little worse adds up.
    bound = max(settings.imbalance, float(spread.min()) + 1e-9)
    cost = np.where(spread <= bound, seconds / batches, np.inf)
    robot, index = np.unravel_index(int(np.argmin(np.round(cost, 12))), cost.shape)
    return Plan((list(sites)[int(robot)],), (int(batches[index]),))


def _seconds(site: Site, here: bool, batches: NDArray[np.int64], token_bytes: int) -> Counts:
    """Return the time of hop and training for each number of mini-batches."""
    rate = _UNKNOWN_LINK_RATE if math.isnan(site.link_rate) else site.link_rate
    batch = _UNKNOWN_BATCH_SECONDS if math.isnan(site.batch_seconds) else site.batch_seconds
    hop = 0.0 if here else token_bytes / rate
    return np.asarray(hop + batches * batch, np.float64)
