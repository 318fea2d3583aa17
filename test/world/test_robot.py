"""Which rooms robots visit."""

import pytest

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.world.robot import patrol_route


def test_routes_of_robots_begin_at_home_and_go_around():
    assert patrol_route('own', 5) == (1,)
    assert patrol_route('others', 2) == (3, 0, 1)
    assert patrol_route('all', 2) == (2, 3, 0, 1)
    assert patrol_route('none', 2) == ()
    with pytest.raises(ConfigError, match='choose own, others, all, none'):
        patrol_route('home', 0)
