"""Methods by name or dotted path: what may be one, and where."""

import pytest

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.methods.method import MeshMethod, StarMethod
from iot_fl_ros.methods.registry import method_settings, methods_of


@pytest.mark.parametrize('path', ['os.path:join', 'math:pi', 'pathlib:Path'])
def test_what_is_no_method_is_refused_with_those_that_are(path):
    with pytest.raises(ConfigError, match=r'choose one of .*dsfl'):
        method_settings({'name': path})


def test_a_method_runs_where_its_contract_says():
    assert 'alone' in methods_of(StarMethod)
    assert 'alone' in methods_of(MeshMethod)
    with pytest.raises(ConfigError, match='does not run in a mesh'):
        method_settings({'name': 'dsfl'}, MeshMethod)
    with pytest.raises(ConfigError, match='does not run with an aggregator'):
        method_settings({'name': 'gossip'})


def test_an_unknown_setting_is_refused_with_the_nearest_one():
    with pytest.raises(ConfigError, match='did you mean'):
        method_settings({'name': 'dsfl', 'open_sample': 10})
