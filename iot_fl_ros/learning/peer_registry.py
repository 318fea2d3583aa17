"""Methods of a mesh by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from iot_fl_ros.core.messages import RunInfo
from iot_fl_ros.core.registry import Registry
from iot_fl_ros.learning.registry import method_settings

if TYPE_CHECKING:
    from iot_fl_ros.learning.peer_method import PeerMethod

PEER_METHODS = Registry(
    'method of a mesh',
    'iot_fl_ros.peer_methods',
    {
        'alone': 'iot_fl_ros.learning.alone:Alone',
        'cmfd': 'iot_fl_ros.learning.cmfd:Cmfd',
        'gossip': 'iot_fl_ros.learning.gossip:Gossip',
    },
)
DEFAULT_PEER_METHOD = 'cmfd'


def peer_method_settings(flat: Mapping[str, Any]) -> tuple[str, Any]:
    """Return name and settings of the method that `flat` (its settings and `name`) describes."""
    return method_settings(flat, PEER_METHODS, DEFAULT_PEER_METHOD)


def make_peer_method(settings: Any, info: RunInfo) -> PeerMethod:
    """Return the method of a run, made with its settings."""
    method: PeerMethod = PEER_METHODS.get(info.method)(settings, info)
    return method
