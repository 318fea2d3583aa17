"""Where a token goes next."""

import dataclasses

from iot_fl_ros.token.routing import Site, plan_cycle
from iot_fl_ros.token.settings import TramSettings

SETTINGS = TramSettings(robots=['a', 'b', 'c'], cycle_batches=6, batch_size=10, visit_batches=4)
SITES = {'a': Site((100, 0, 0)), 'b': Site((0, 100, 100)), 'c': Site((0, 0, 50))}


def plan(usage=(0, 0, 0), holder='a', sites=None, **changes):
    settings = dataclasses.replace(SETTINGS, **changes)
    return plan_cycle(settings, sites or SITES, usage, holder, 1_000)


def test_a_cycle_visits_in_descending_share_with_the_holder_first():
    first = plan(holder='b')
    assert first.route == ('b', 'a')
    assert first.shares == (4, 2)
    assert plan(holder='a').route == ('a', 'b'), 'the holder, then by share'
    assert plan(holder='c').route == ('b', 'a'), 'a holder without a share is not visited'


def test_a_cycle_makes_good_for_classes_used_too_little():
    behind = plan(usage=(60, 20, 0))
    # 30 more of class 1, 30 + 20 more of class 2: nearly equal, two mini-batches over the least.
    assert dict(zip(behind.route, behind.shares, strict=True)) == {'b': 6, 'c': 2}


def test_robots_without_samples_are_left_out():
    assert plan(sites={'a': Site((0, 0, 0))}).route == ()
    assert 'z' not in plan(sites={**SITES, 'z': Site((0, 0, 0))}).route


def test_a_dynamic_route_goes_to_the_class_that_is_behind():
    assert plan(usage=(40, 40, 0), routing='dynamic') == plan(
        usage=(40, 40, 0), routing='dynamic', holder='c'
    )
    assert plan(usage=(40, 40, 0), routing='dynamic').route == ('c',)
    assert plan(usage=(0, 40, 40), routing='dynamic').shares == (4,)


def test_a_load_aware_route_takes_the_quick_robot_of_two_alike():
    sites = {
        'a': Site((100, 100), 0.1, 1e6),
        'b': Site((100, 100), 1.0, 1e6),
        'c': Site((100, 100), 0.1, 10.0),
    }
    slow_here = plan(usage=(0, 0), holder='b', sites=sites, routing='load_aware')
    assert slow_here.route == ('a',), 'c computes as quickly, but 1,000 bytes take it 100 s'
    assert slow_here.shares == (4,), 'a long visit is worth the hop'
    assert plan(usage=(0, 0), holder='c', sites=sites, routing='load_aware').route == ('c',)


def test_a_load_aware_route_keeps_the_balance():
    sites = {'a': Site((100, 0), 0.01, 1e9), 'b': Site((0, 100), 1.0, 1e3)}
    assert plan(usage=(400, 0), sites=sites, routing='load_aware').route == ('b',)


def test_a_load_aware_route_stays_balanced_for_as_long_as_it_goes_on():
    classes = {'a': (0, 1), 'b': (1, 2, 3), 'c': (3, 4), 'd': (4, 5, 0), 'e': (2,)}
    sites = {
        name: Site(tuple(100 * (c in own) for c in range(6)), 0.1, 1e6)
        for name, own in classes.items()
    }
    used, holder = [0.0] * 6, 'a'
    for _ in range(400):
        visit = plan(
            usage=[round(n) for n in used], holder=holder, sites=sites, routing='load_aware'
        )
        holder, batches = visit.route[0], visit.shares[0]
        counts = sites[holder].class_counts
        used = [n + 10 * batches * c / sum(counts) for n, c in zip(used, counts, strict=True)]
    assert max(used) - min(used) < 100, 'a few mini-batches of 10'
