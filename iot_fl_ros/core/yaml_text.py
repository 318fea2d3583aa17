"""YAML as ROS reads it: `1e-3` is a number, and a number knows how it was written.

PyYAML follows YAML 1.1, where a float needs a dot and `007` is octal. Settings that are text take
the text of a number: `run.name: 007`.
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


class _Plain(yaml.SafeLoader):
    """Numbers as ROS has them."""


class _Written(_Plain):
    """And with their text."""


_FLOAT = re.compile(r'[-+]?(\d[\d_]*\.?\d*|\.\d+)[eE][-+]?\d+$')


def _int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> WrittenInt:
    number = WrittenInt(loader.construct_yaml_int(node))
    number.text = node.value
    return number


def _float(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> WrittenFloat:
    number = WrittenFloat(loader.construct_yaml_float(node))
    number.text = node.value
    return number


_Written.add_constructor('tag:yaml.org,2002:int', _int)
_Written.add_constructor('tag:yaml.org,2002:float', _float)
for _loader in (_Plain, _Written):
    _loader.add_implicit_resolver('tag:yaml.org,2002:float', _FLOAT, list('-+.0123456789'))


# So that what was read can be written again, by PyYAML's own rules.
yaml.SafeDumper.add_representer(
    WrittenInt, lambda dumper, one: dumper.represent_scalar('tag:yaml.org,2002:int', one.text)
)
yaml.SafeDumper.add_representer(
    WrittenFloat, lambda dumper, one: dumper.represent_float(float(one))
)


def load_yaml(text: str) -> Any:
    """Return the value of a YAML document; yaml.YAMLError if it is none."""
    return yaml.load(text, _Plain)


def load_written(text: str) -> Any:
    """Return the same value, in which numbers are WrittenInt and WrittenFloat."""
    return yaml.load(text, _Written)
