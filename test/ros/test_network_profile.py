"""Network profiles: their files, and what a process sets."""

from pathlib import Path

import pytest

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.ros import network_profile
from iot_fl_ros.ros.network_profile import PROFILES, profile_environment
from iot_fl_ros.ros.share import share_folder

NETWORK = share_folder() / 'config' / 'network'


@pytest.fixture(autouse=True)
def _no_profile_of_the_user(monkeypatch):
    for name in (*network_profile._FILE_VARIABLES.values(), network_profile.DISCOVERY_SERVER):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize('name', PROFILES)
def test_both_versions_of_a_profile_say_the_same(name):
    file = f'{name.replace("-", "_")}.xml'
    two, three = ((NETWORK / f'fastdds_{v}' / file).read_text() for v in (2, 3))
    assert 'heartbeatPeriod' in two
    two = two.replace('heartbeatPeriod', 'heartbeat_period').replace('Fast DDS 2', 'Fast DDS 3')
    assert two == three


@pytest.mark.parametrize('name', PROFILES)
def test_a_profile_names_a_file_that_is_there(name, monkeypatch):
    monkeypatch.setenv(network_profile.DISCOVERY_SERVER, '127.0.0.1:11811')
    (file,) = profile_environment(name).values()
    assert Path(file).is_file()


def test_a_profile_of_the_user_is_kept(monkeypatch):
    monkeypatch.setenv('FASTDDS_DEFAULT_PROFILES_FILE', 'mine.xml')
    assert profile_environment('wifi') == {}


def test_an_unknown_profile_and_a_missing_server_are_errors():
    with pytest.raises(ConfigError, match='choose one of'):
        profile_environment('lora')
    with pytest.raises(ConfigError, match='ROS_DISCOVERY_SERVER'):
        profile_environment('discovery-server')
