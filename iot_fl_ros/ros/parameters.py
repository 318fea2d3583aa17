"""ROS parameters from settings classes: declared with descriptions and ranges, and checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

from iot_fl_ros.core.config import (
    Setting,
    read_settings,
    refuse_unknown,
    setting_names,
    settings_of,
)

T = TypeVar('T')

_ROS_OWN = ('use_sim_time', 'start_type_description_service', 'qos_overrides.')
_INT_MAX = (1 << 63) - 1
_FLOAT_MAX = 1.7e308


def overrides_of(node: Node) -> dict[str, Any]:
    """Return what parameter files and the command line set on this node, ROS's own left out."""
    given = node._parameter_overrides  # rclpy has no public way to see undeclared ones
    return {
        name: list(p.value) if isinstance(p.value, Iterable) and not isinstance(p.value, str)
        else p.value
        for name, p in given.items()
        if not name.startswith(_ROS_OWN)
    }  # fmt: skip


def declare(
    node: Node, cls: type[T], values: Mapping[str, Any], prefix: str = '', live: Sequence[str] = ()
) -> T:
    """Declare every setting of `cls` as a parameter and return the settings.

    values: dotted names, with `prefix`; names of other classes may be among them. live: settings
    that may be changed while the node runs; the others are read-only.
    """
    mine = {n.removeprefix(prefix): v for n, v in values.items() if n.startswith(prefix)}
    for item in settings_of(cls):
        # On the command line `-p source:=0` is a number, whatever the parameter is.
        if item.kind is str and type(mine.get(item.name)) is int:
            mine[item.name] = text = str(mine[item.name])
            name = prefix + item.name
            node.get_logger().warning(
                f'{name} is a number, taken as the text {text!r}: if it was written otherwise, '
                f'for example 007, quote it: -p "{name}:=\'007\'"'
            )
    settings = read_settings(cls, mine, known=mine)
    for item in settings_of(cls):
        value = item.check(mine[item.name]) if item.name in mine else item.default
        descriptor = _descriptor(item, read_only=item.name not in live)
        node.declare_parameter(prefix + item.name, value, descriptor, ignore_override=True)
    return settings


def declared(node: Node, cls: type[T]) -> T:
    """Declare every setting of `cls`, all that the node has yet to declare; return the settings.

    ConfigError if a parameter was set that is unknown or has a bad value.
    """
    given = overrides_of(node)
    refuse_unknown(given, {*setting_names(cls), *filter(node.has_parameter, given)})
    return declare(node, cls, given)


def _descriptor(item: Setting, *, read_only: bool) -> ParameterDescriptor:
    doc = item.doc + (f' One of: {", ".join(item.choices)}.' if item.choices else '')
    descriptor = ParameterDescriptor(description=doc, read_only=read_only)
    descriptor.dynamic_typing = item.kind is list
    # Ranges are for single numbers; those of a list are checked by us alone.
    if item.kind is list or (item.minimum is None and item.maximum is None):
        return descriptor
    low, high = item.minimum, item.maximum
    if item.kind is int:
        top = _INT_MAX if high is None else int(high)
        descriptor.integer_range = [
            IntegerRange(from_value=-_INT_MAX if low is None else int(low), to_value=top, step=1)
        ]
        if top == _INT_MAX:
            descriptor.integer_range[0].step = 0
    else:
        descriptor.floating_point_range = [
            FloatingPointRange(
                from_value=-_FLOAT_MAX if low is None else float(low),
                to_value=_FLOAT_MAX if high is None else float(high),
            )
        ]
    return descriptor
