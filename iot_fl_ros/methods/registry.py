"""Federated methods by name, with an aggregator and without."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import yaml

from iot_fl_ros.core.config import read_settings, refuse_unknown, setting_names
from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.core.messages.federation import RunInfo
from iot_fl_ros.core.registry import Registry
from iot_fl_ros.methods.method import StarMethod
from iot_fl_ros.training.settings import check_batch_size

METHODS = Registry(
    'method',
    'iot_fl_ros.methods',
    {
        'alone': 'iot_fl_ros.methods.alone:Alone',
        'cmfd': 'iot_fl_ros.methods.cmfd:Cmfd',
        'dsfl': 'iot_fl_ros.methods.dsfl:DsFl',
        'fd': 'iot_fl_ros.methods.fd:Fd',
        'fedadam': 'iot_fl_ros.methods.fedopt:FedAdam',
        'fedavg': 'iot_fl_ros.methods.fedavg:FedAvg',
        'fedprox': 'iot_fl_ros.methods.fedprox:FedProx',
        'fedyogi': 'iot_fl_ros.methods.fedopt:FedYogi',
        'gossip': 'iot_fl_ros.methods.gossip:Gossip',
    },
)
DEFAULT_METHOD = 'dsfl'
DEFAULT_MESH_METHOD = 'cmfd'
_MAX_SETTINGS_TEXT = 4_096


def methods_of(kind: type) -> list[str]:
    """Return the names of the methods of a kind, sorted."""
    return [name for name in METHODS.names() if issubclass(METHODS.get(name), kind)]


def method_settings(
    flat: Mapping[str, Any], kind: type = StarMethod, default: str = DEFAULT_METHOD
) -> tuple[str, Any]:
    """Return the name and the settings object of the method that `flat` describes.

    flat: settings of the method and its `name`. kind: StarMethod or MeshMethod. ConfigError for
    unknown names, bad values, or a method of another kind.
    """
    name = str(flat.get('name', default))
    cls: Any = METHODS.get(name)  # a dotted path may lead to anything
    fits = isinstance(cls, type) and issubclass(cls, kind)
    if not fits:
        where = 'with an aggregator' if kind is StarMethod else 'in a mesh'
        raise ConfigError(
            f'method {name!r} does not run {where}: choose one of {", ".join(methods_of(kind))}'
        )
    rest = {key: value for key, value in flat.items() if key != 'name'}
    refuse_unknown(rest, setting_names(cls.Settings))
    settings = read_settings(cls.Settings, rest)
    check_batch_size(getattr(settings, 'batch_size', 0))
    return name, settings


def settings_text(settings: Any) -> str:
    """Return a method's settings as the YAML text that RunInfo carries."""
    return yaml.safe_dump(asdict(settings), sort_keys=True)


def settings_of_today(name: str, text: str) -> str:
    """Return the YAML text of a method's settings with those that were added since, as usual.

    The text as it is if it makes no sense.
    """
    try:
        return settings_text(method_settings({**_parse(text), 'name': name})[1])
    except ConfigError:
        return text


def method_of(info: RunInfo) -> StarMethod:
    """Return the method that a run uses; ConfigError if this machine cannot."""
    name, settings = method_settings({**_parse(info.method_settings), 'name': info.method})
    method: StarMethod = METHODS.get(name)(settings, info)
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
