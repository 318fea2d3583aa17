"""The wire contracts as values: a dataclass per file in `msg/`, its delivery beside its fields."""

from __future__ import annotations

from dataclasses import dataclass

from iot_fl_ros.core.messages import chunks, feature_packet, federation, mesh, split, token
from iot_fl_ros.core.messages.delivery import Role
from iot_fl_ros.core.messages.feature_packet import FeaturePacket
from iot_fl_ros.core.messages.fields import WireMessage

Kind = type[WireMessage] | type[FeaturePacket]
_MODULES = (chunks, federation, mesh, token, split, feature_packet)
KINDS: tuple[Kind, ...] = tuple(
    kind
    for module in _MODULES
    for kind in vars(module).values()
    if isinstance(kind, type) and kind.__module__ == module.__name__ and hasattr(kind, 'DELIVERY')
)


@dataclass(frozen=True)
class Endpoints:
    """The messages of one role: on the fleet's topics, and on those in namespaces of robots."""

    publishes: tuple[Kind, ...]
    subscribes: tuple[Kind, ...]
    to_robots: tuple[Kind, ...]
    from_robots: tuple[Kind, ...]


def endpoints_of(role: Role) -> Endpoints:
    """Return what a participant of that role sends and reads."""
    sent = [kind for kind in KINDS if role in kind.DELIVERY.senders]
    read = [kind for kind in KINDS if role in kind.DELIVERY.readers]
    return Endpoints(
        tuple(kind for kind in sent if not kind.DELIVERY.robot_topic),
        tuple(kind for kind in read if not kind.DELIVERY.robot_topic),
        tuple(kind for kind in sent if kind.DELIVERY.robot_topic),
        tuple(kind for kind in read if kind.DELIVERY.robot_topic),
    )
