import pytest

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.core.registry import Registry
from iot_fl_ros.core.seeds import derive_seed, generator
from iot_fl_ros.exchange.endpoint import OTHERS, Refusals

REGISTRY = Registry('thing', 'iot_fl_ros.test_things', {'ceil': 'math:ceil'})


def test_names_dotted_paths_and_the_nearest_name():
    assert REGISTRY.get('ceil')(0.5) == 1
    assert REGISTRY.get('math:floor')(0.5) == 0
    with pytest.raises(ConfigError, match="did you mean 'ceil'"):
        REGISTRY.get('cell')
    with pytest.raises(ConfigError, match='cannot load thing'):
        REGISTRY.get('math:nothing')


def test_seeds_depend_on_every_part_and_on_nothing_else():
    assert derive_seed(1, 'train', 2, 'robot_0') == derive_seed(1, 'train', 2, 'robot_0')
    seeds = {derive_seed(s, p, r, i) for s in (0, 1) for p in 'ab' for r in (1, 2) for i in 'xy'}
    assert len(seeds) == 16
    assert derive_seed(0, 1) != derive_seed(0, '1')
    assert all(0 <= seed < 1 << 63 for seed in seeds)
    # Pinned: a run must give the same numbers on every machine and in every later version.
    assert derive_seed(0, 'open', 1) == 8313913094217000421
    assert generator(0, 'open', 1).integers(1000) == generator(0, 'open', 1).integers(1000)


def test_counters_stay_small_under_a_flood_of_names():
    refusals = Refusals()
    for n in range(5_000):
        refusals.add(f'robot_{n}', 'bad')
    assert len(refusals) <= 1_001
    assert refusals[OTHERS, 'bad'] == 4_000
    assert sum(refusals.values()) == 5_000
