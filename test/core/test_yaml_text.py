"""YAML as ROS reads it."""

import math
import time

import pytest
import yaml

from iot_fl_ros.core.config import Setting
from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.core.yaml_text import load_written, load_yaml


def kind(default):
    return Setting('name', type(default), default, '', None, None, ())


@pytest.mark.parametrize(
    ('text', 'value'),
    [('1e-3', 1e-3), ('1E5', 1e5), ('-2.5e+3', -2500.0), ('.5e1', 5.0), ('3', 3), ('1.5', 1.5)],
)
def test_numbers_need_no_dot(text, value):
    for load in (load_yaml, load_written):
        assert load(text) == value
        assert isinstance(load(text), type(value))
    assert type(load_yaml(text)) is type(value)


@pytest.mark.parametrize('text', ['e5', '1e', 'v1e3', '1-e3', '2026-11-29e'])
def test_other_text_stays_text(text):
    assert load_yaml(text) == text


@pytest.mark.parametrize('text', ['2024', '007', '0x10', '1e5', '1.0', '3'])
def test_where_text_is_needed_a_number_is_what_was_written(text):
    assert kind('').check(load_written(text)) == text


@pytest.mark.parametrize('text', ['on', 'true', 'no'])
def test_what_is_no_number_has_to_be_quoted(text):
    with pytest.raises(ConfigError, match=r'quote text that looks like something else'):
        kind('').check(load_written(text))


def test_where_a_number_is_needed_it_is_a_plain_one():
    assert type(kind(1).check(load_written('5'))) is int
    assert type(kind(1.0).check(load_written('1e-3'))) is float
    assert kind(1.0).check(load_written('2')) == 2.0
    for default, text in ((1, '1.5'), (1, 'true'), (1.0, 'true'), (True, '1'), (1, 'x')):
        with pytest.raises(ConfigError, match='is needed'):
            kind(default).check(load_written(text))


def test_what_was_read_can_be_written_again():
    tree = {'a': load_written('007'), 'b': [load_written('1e-3')]}
    assert yaml.safe_dump(tree) == 'a: 007\nb:\n- 0.001\n'


@pytest.mark.parametrize('text', ['12:30', '1:59:59', '-1:30.5', '1' + ':59' * 100_000])
def test_a_time_of_day_is_text(text):
    start = time.process_time()
    assert load_written(f'a: {text}') == load_yaml(f'a: {text}') == {'a': text}
    assert time.process_time() - start < 2.0


@pytest.mark.parametrize('text', ['2026-11-30', '2026-13-45', '2026-11-30T10:00:00Z'])
def test_a_date_is_text(text):
    assert load_written(f'a: {text}') == load_yaml(f'a: {text}') == {'a': text}


@pytest.mark.parametrize('text', ['a: &a {b: *a}', 'a: &a [[*a]]'])
def test_an_alias_that_holds_itself_is_refused(text):
    for load in (load_yaml, load_written):
        with pytest.raises(yaml.YAMLError, match='holds itself'):
            load(text)
    assert load_yaml('a: &a [1]\nb: [*a, *a]') == {'a': [1], 'b': [[1], [1]]}


def test_integers_have_64_bits():
    assert load_yaml(str(2**63 - 1)) == load_written(str(2**63 - 1)) == 2**63 - 1


@pytest.mark.parametrize(
    'text',
    ['0x_', '9' * 5_000, '1' + '0' * 400, '0x' + 'f' * 5_000, '!!timestamp x', '!!bool x',
     '!!int ""', '!!float x', '[' * 3_000],
)  # fmt: skip
def test_what_only_looks_like_a_value_is_an_error_of_the_document(text):
    for load in (load_yaml, load_written):
        with pytest.raises(yaml.YAMLError):
            load(f'a: {text}')


@pytest.mark.parametrize(
    ('text', 'value'),
    [('0x1F', 31), ('0b11', 3), ('1_000', 1000), ('1.', 1.0), ('.5', 0.5), ('-.inf', -math.inf)],
)
def test_numbers_of_every_form(text, value):
    assert load_yaml(text) == load_written(text) == value


@pytest.mark.parametrize('text', ['3e4f', '1e5_lab', '5e3ab12', '1.5e-3x'])
def test_what_only_begins_like_a_number_is_text(text):
    assert load_written(f'a: {text}') == {'a': text}
