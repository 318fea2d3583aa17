"""The way of a message from its senders to its readers, declared beside its fields.

QoS profiles, roles, the in-memory network and the tables of the documentation come from here.
RELIABLE alone is not delivery: what a KEEP_LAST history overwrites is gone. Where a loss would
cost a round, readers keep all and the state machines ask for missing pieces.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Role(Enum):
    """Kinds of participants."""

    AGGREGATOR = 'aggregator'
    ROBOT = 'robot'
    PEER = 'peer'
    TRAM = 'tram'
    HEAD = 'head'
    TAIL = 'tail'


# Who asks for pieces again, and is asked.
EXCHANGING = (Role.AGGREGATOR, Role.ROBOT, Role.PEER, Role.TRAM)


@dataclass(frozen=True)
class Delivery:
    """Senders and readers of a message, and what the transport promises.

    robot_topic: the topic is in the namespace of a robot, not in the
    fleet's. reliable: lost samples are repeated. latched: the last ones are kept for readers that
    come later. from_many: readers keep all, because with KEEP_LAST one sender would push out
    another's. keep_all: the writer too keeps all. depth: samples that are kept; `whole_set` = the
    chunks of one set, if those are more. liveliness: its writer's silence is reported.
    """

    senders: tuple[Role, ...]
    readers: tuple[Role, ...]
    robot_topic: bool = False
    reliable: bool = True
    latched: bool = False
    from_many: bool = False
    keep_all: bool = False
    depth: int = 1
    whole_set: bool = False
    liveliness: bool = False
