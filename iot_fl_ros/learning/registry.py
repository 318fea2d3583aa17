"""Federated methods by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import yaml

from iot_fl_ros.core.config import read_settings, refuse_unknown, settings_of
from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.core.messages import RunInfo
from iot_fl_ros.core.registry import Registry
from iot_fl_ros.learning.method import Method

METHODS = Registry(
    'method',
    'iot_fl_ros.methods',
    {
        'dsfl': 'iot_fl_ros.learning.dsfl:DsFl',
        'fd': 'iot_fl_ros.learning.fd:Fd',
        'fedadam': 'iot_fl_ros.learning.fedopt:FedAdam',
        'fedavg': 'iot_fl_ros.learning.fedavg:FedAvg',
        'fedprox': 'iot_fl_ros.learning.fedprox:FedProx',
        'fedyogi': 'iot_fl_ros.learning.fedopt:FedYogi',
        'single': 'iot_fl_ros.learning.single:Single',
    },
)
DEFAULT_METHOD = 'dsfl'
_MAX_SETTINGS_TEXT = 4_096


def method_settings(
    flat: Mapping[str, Any], methods: Registry = METHODS, default: str = DEFAULT_METHOD
) -> tuple[str, Any]:
    """Return the name and the settings object of the method that `flat` describes.

    flat: settings of the method and its `name`. ConfigError for unknown names or bad values.
    """
    name = flat.get('name', default)
    cls = methods.get(str(name)).Settings
    rest = {key: value for key, value in flat.items() if key != 'name'}
    refuse_unknown(rest, {item.name for item in settings_of(cls)})
    return str(name), read_settings(cls, rest)


def settings_text(settings: Any) -> str:
    """Return a method's settings as the YAML text that RunInfo carries."""
    return yaml.safe_dump(asdict(settings), sort_keys=True)


def method_of(info: RunInfo) -> Method:
    """Return the method that a run uses; ConfigError if this machine cannot."""
    name, settings = method_settings({**_parse(info.method_settings), 'name': info.method})
    method: Method = METHODS.get(name)(settings, info)
    return method


def _parse(text: str) -> dict[str, Any]:
    """Read settings text from a stranger: small, flat, and without aliases that blow up."""
    if len(text) > _MAX_SETTINGS_TEXT or '&' in text or '*' in text:
        raise ConfigError('method settings are too long, or use YAML anchors')
    try:
        tree = yaml.safe_load(text) or {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError('method settings are no YAML') from error
    if not isinstance(tree, dict) or not all(isinstance(key, str) for key in tree):
        raise ConfigError('method settings are no mapping')
    return tree
