"""YAML as ROS reads it: `1e-3` is a number, `12:30` is none; a number knows how it was written.

PyYAML follows YAML 1.1, where a float needs a dot, `12:30` is 750, `2026-11-30` is a date and
`007` is octal. Settings that are text take the text of a number: `run.name: 007`.
"""

from __future__ import annotations

import re
from typing import Any

import yaml


class WrittenInt(int):
    """An integer and its text."""

    text: str


class WrittenFloat(float):
    """A number and its text."""

    text: str


_INT, _FLOAT = 'tag:yaml.org,2002:int', 'tag:yaml.org,2002:float'
_DATE = 'tag:yaml.org,2002:timestamp'
_BITS = 63  # and a sign
_NUMBERS = {
    _FLOAT: r'[-+]?([0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)[eE][-+]?[0-9]+$'
    r'|[-+]?([0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*|\.(inf|Inf|INF))$|\.(nan|NaN|NAN)$',
    _INT: r'[-+]?(0b[01_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$',
}


class _Plain(yaml.SafeLoader):
    """Numbers as ROS has them."""

    yaml_implicit_resolvers = {
        first: [one for one in resolvers if one[0] not in (*_NUMBERS, _DATE)]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


for _tag, _pattern in _NUMBERS.items():
    _Plain.add_implicit_resolver(_tag, re.compile(_pattern), list('-+.0123456789'))


class _Written(_Plain):
    """And with their text."""


def _plain_int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    number = int(loader.construct_yaml_int(node))
    if number.bit_length() > _BITS:
        raise yaml.YAMLError(f'an integer of more than 64 bits{node.start_mark}')
    return number


def _int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> WrittenInt:
    number = WrittenInt(_plain_int(loader, node))
    number.text = node.value
    return number


def _float(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> WrittenFloat:
    number = WrittenFloat(loader.construct_yaml_float(node))
    number.text = node.value
    return number


_Plain.add_constructor(_INT, _plain_int)
_Written.add_constructor(_INT, _int)
_Written.add_constructor(_FLOAT, _float)

# So that what was read can be written again, by PyYAML's own rules.
yaml.SafeDumper.add_representer(
    WrittenInt, lambda dumper, one: dumper.represent_scalar(_INT, one.text)
)
yaml.SafeDumper.add_representer(
    WrittenFloat, lambda dumper, one: dumper.represent_float(float(one))
)


def load_yaml(text: str | bytes) -> Any:
    """Return the value of a YAML document; yaml.YAMLError if it is none."""
    return _load(text, _Plain)


def load_written(text: str) -> Any:
    """Return the same value, in which numbers are WrittenInt and WrittenFloat."""
    return _load(text, _Written)


def _load(text: str | bytes, loader: type[_Plain]) -> Any:
    try:
        value = yaml.load(text, loader)
        _refuse_circles(value, set(), set())
    # What PyYAML raises for tags that do not fit, and for what lies too deep.
    except (ValueError, LookupError, AttributeError, TypeError, RecursionError) as error:
        raise yaml.YAMLError(f'{type(error).__name__}: {error}') from error
    return value


def _refuse_circles(value: Any, above: set[int], seen: set[int]) -> None:
    """Raise YAMLError for an alias that holds itself: nothing that reads it would end."""
    if not isinstance(value, dict | list) or id(value) in seen:
        return
    if id(value) in above:
        raise yaml.YAMLError('an alias holds itself')
    above.add(id(value))
    for inner in value.values() if isinstance(value, dict) else value:
        _refuse_circles(inner, above, seen)
    above.remove(id(value))
    seen.add(id(value))
