"""Parameters of nodes from settings classes."""

from dataclasses import dataclass, field

import pytest
import rclpy
from node_fleets import dotted, parameters
from rclpy.parameter import Parameter

from iot_fl_ros.core.config import setting
from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.ros.parameters import declare, declared, overrides_of


@dataclass(frozen=True)
class Inner:
    epochs: int = setting(1, 'Epochs.', minimum=1)
    rate: float = setting(0.1, 'Learning rate.', minimum=0.0, maximum=1.0)


@dataclass(frozen=True)
class Settings:
    name: str = setting('cnn', 'Model.', choices=('cnn', '7'))
    tags: list = setting([], 'Tags.')
    train: Inner = field(default_factory=Inner)


@pytest.fixture
def node(process):
    def make(**given):
        overrides = parameters(dotted(given))
        return process.add(
            rclpy.create_node('node', context=process.context, parameter_overrides=overrides)
        )

    return make


def test_what_was_set_becomes_settings_and_parameters_alike(node):
    one = node(name='7', tags=['a'], train__epochs=3, use_sim_time=False)
    settings = declared(one, Settings)
    assert settings == Settings('7', ['a'], Inner(3, 0.1))
    assert one.get_parameter('train.epochs').value == 3
    assert one.get_parameter('train.rate').value == 0.1
    assert overrides_of(one) == {'name': '7', 'tags': ['a'], 'train.epochs': 3}


def test_a_number_on_the_command_line_may_be_a_name(node):
    assert declared(node(name=7), Settings).name == '7'


def test_descriptions_ranges_and_choices_are_told(node):
    one = node()
    declared(one, Settings)
    epochs, rate, name = one.describe_parameters(['train.epochs', 'train.rate', 'name'])
    assert (epochs.integer_range[0].from_value, epochs.description) == (1, 'Epochs.')
    bounds = rate.floating_point_range[0]
    assert (bounds.from_value, bounds.to_value) == (0.0, 1.0)
    assert name.description == 'Model. One of: cnn, 7.'
    (result,) = one.set_parameters([Parameter('train.epochs', value=5)])
    assert not result.successful, 'settings are read once'


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ({'train__epoch': 3}, "did you mean 'train.epochs'"),
        ({'train__epochs': 0}, 'train.epochs'),
        ({'name': 'resnet'}, "choose 'cnn' or '7'"),
        ({'train__rate': 'fast'}, 'float is needed'),
    ],
)
def test_what_is_wrong_is_refused_by_name(node, given, message):
    with pytest.raises(ConfigError) as error:
        declared(node(**given), Settings)
    assert message in str(error.value)


def test_what_the_node_declared_itself_is_known(node):
    one = node(autostart=False)
    one.declare_parameter('autostart', True)
    assert declared(one, Settings) == Settings()


def test_a_part_is_declared_under_a_prefix_and_others_names_are_left(node):
    one = node(method__epochs=4, name='cnn')
    assert declare(one, Inner, overrides_of(one), 'method.') == Inner(4, 0.1)
    assert one.get_parameter('method.epochs').value == 4
    assert not one.has_parameter('name')
