from dataclasses import dataclass, field

import pytest

from iot_fl_ros.core.config import (
    flatten,
    read_parameters,
    read_settings,
    read_yaml,
    setting,
    settings_of,
)
from iot_fl_ros.core.errors import ConfigError


@dataclass(frozen=True)
class Inner:
    rate: float = setting(0.5, 'Rate.', minimum=0.0, maximum=1.0)
    mode: str = setting('a', 'Mode.', choices=('a', 'b'))


@dataclass(frozen=True)
class Outer:
    rounds: int = setting(3, 'Rounds.', minimum=1)
    names: list = setting([], 'Names.')
    rooms: list = setting([1], 'Rooms.', minimum=0, maximum=3)
    inner: Inner = field(default_factory=Inner)


def test_values_reach_their_fields_and_defaults_stay():
    read = read_settings(Outer, {'rounds': 7, 'inner.rate': 1, 'names': ['x', 2], 'rooms': (0, 3)})
    assert read == Outer(rounds=7, names=['x', '2'], rooms=[0, 3], inner=Inner(rate=1.0))


@pytest.mark.parametrize(
    ('flat', 'message'),
    [
        ({'round': 3}, "unknown setting 'round': did you mean 'rounds'"),
        ({'inner.rat': 3}, "did you mean 'inner.rate'"),
        ({'rounds': 0}, 'must be in 1..'),
        ({'rounds': True}, 'int is needed'),
        ({'rounds': '3'}, 'int is needed'),
        ({'inner.rate': 1.5}, 'must be in 0..1'),
        ({'inner.rate': float('nan')}, 'must be in 0..1'),
        ({'inner.mode': 'c'}, "choose 'a' or 'b'"),
        ({'names': 'text'}, 'a list of text'),
        ({'rooms': 2}, 'a list of integers'),
        ({'rooms': [1, 'two']}, 'int is needed'),
        ({'rooms': [1, 4]}, 'rooms is 4: must be in 0..3'),
    ],
)
def test_a_wrong_setting_is_refused_with_its_remedy(flat, message):
    with pytest.raises(ConfigError) as error:
        read_settings(Outer, flat)
    assert message in str(error.value)


def test_every_setting_is_described():
    assert [item.name for item in settings_of(Outer)] == [
        'rounds',
        'names',
        'rooms',
        'inner.rate',
        'inner.mode',
    ]
    assert all(item.doc for item in settings_of(Outer))


def test_ros_parameter_files_and_plain_ones_read_alike(tmp_path):
    ros, plain = tmp_path / 'ros.yaml', tmp_path / 'plain.yaml'
    ros.write_text('/**:\n  ros__parameters:\n    run: {rounds: 3}\n')
    plain.write_text('run.rounds: 3\n')
    assert read_yaml(ros) == read_yaml(plain) == {'run.rounds': 3}


@pytest.mark.parametrize('text', ['[1, 2]', 'a: [', '/**:\n  x: 1\n'])
def test_a_bad_file_is_refused(tmp_path, text):
    path = tmp_path / 'bad.yaml'
    path.write_text(text)
    with pytest.raises(ConfigError, match=r'bad\.yaml'):
        read_yaml(path)


def test_flatten_joins_names_with_dots():
    assert flatten({'a': {'b': {'c': 1}}, 'd': 2}) == {'a.b.c': 1, 'd': 2}


PER_ROBOT = """
/**:
  ros__parameters:
    run: {rounds: 3}
    data: {private: all}
/robot_1/learner:
  ros__parameters:
    data: {private: mine}
/robot_2/**:
  ros__parameters: {}
"""


def test_a_file_may_have_sections_of_single_robots(tmp_path):
    path = tmp_path / 'p.yaml'
    path.write_text(PER_ROBOT)
    read = read_parameters(path)
    assert read.common == {'run.rounds': 3, 'data.private': 'all'}
    assert read.own == {'robot_1': {'data.private': 'mine'}, 'robot_2': {}}
    with pytest.raises(ConfigError, match='has settings of robot_1, robot_2'):
        read_yaml(path)


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('/**:\n  parameters: {a: 1}\n', 'needs one entry, `ros__parameters:`'),
        (
            '/aggregator:\n  ros__parameters: {a: 1}\n',
            "has a section '/aggregator': use",
        ),
        ('/**: 3\n', 'needs one entry'),
        ('a: [\n', 'cannot read'),
        ('- 1\n', 'holds a list'),
        ('/**:\n  ros__parameters: 5\n', 'holds 5'),
        ('/**:\n  ros__parameters: [1]\n', r'holds \[1\]'),
        ('/**/learner:\n  ros__parameters: {a: 1}\n', r"section '/\*\*/learner'"),
        ('robot_0:\n  learner:\n    ros__parameters: {a: 1}\n', 'robot_0 needs one entry'),
    ],
)
def test_sections_that_nobody_would_take_are_refused_by_name(tmp_path, text, said):
    path = tmp_path / 'p.yaml'
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_parameters(path)


def test_a_field_that_is_no_setting_says_how_to_declare_it():
    @dataclass(frozen=True)
    class Plain:
        epochs: int = 1

    with pytest.raises(ConfigError, match=r'Plain\.epochs is no setting: .*`epochs: int'):
        read_settings(Plain, {})
