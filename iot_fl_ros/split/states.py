"""The states of a head, and of a robot at the tail, and every transition between them.

Theory of operation of the head. A bundle is loaded on the worker and offered to the edge under a
new epoch. The first offer stands until an edge is ready; later ones are withdrawn when the edge
refuses or takes too long. Packets of an epoch go out only once the tail has said that it is ready
for it, so no frame falls between two epochs: while the next is loaded or offered, pictures go on
with the one in use.

Theory of operation of the tail. Each robot announces itself; what it announces is prepared on the
worker. While a robot switches, packets of both epochs are read. Rules: see `core.machine`.
"""

from __future__ import annotations

from enum import Enum

from iot_fl_ros.core.machine import Table


class HeadState(Enum):
    """States of a head; from SERVED on an epoch is in use."""

    IDLE = 'idle'
    LOADING_FIRST = 'loading the first bundle'
    OFFERING_FIRST = 'waiting for an edge'
    RELOADING_FIRST = 'loading another first bundle'
    SERVED = 'served'
    LOADING_NEXT = 'loading the next bundle'
    OFFERING_NEXT = 'offering the next bundle'


class ServiceState(Enum):
    """States of a robot at the tail."""

    PREPARING = 'preparing'
    SERVED = 'served'
    SWITCHING = 'switching'
    REFUSED = 'refused'


_H = HeadState
_S = ServiceState
LOADING = (_H.LOADING_FIRST, _H.RELOADING_FIRST, _H.LOADING_NEXT)
SWITCHING = (_H.LOADING_NEXT, _H.OFFERING_NEXT)

HEAD_TABLE: Table[HeadState] = {
    (_H.IDLE, 'switch requested'): _H.LOADING_FIRST,
    (_H.LOADING_FIRST, 'switch requested'): _H.LOADING_FIRST,
    (_H.LOADING_FIRST, 'loaded'): _H.OFFERING_FIRST,
    (_H.LOADING_FIRST, 'cannot be loaded'): _H.IDLE,
    (_H.OFFERING_FIRST, 'edge is ready'): _H.SERVED,
    (_H.OFFERING_FIRST, 'switch requested'): _H.RELOADING_FIRST,
    (_H.RELOADING_FIRST, 'switch requested'): _H.RELOADING_FIRST,
    (_H.RELOADING_FIRST, 'loaded'): _H.OFFERING_FIRST,
    (_H.RELOADING_FIRST, 'cannot be loaded'): _H.OFFERING_FIRST,
    (_H.RELOADING_FIRST, 'edge is ready'): _H.LOADING_NEXT,
    (_H.SERVED, 'switch requested'): _H.LOADING_NEXT,
    (_H.LOADING_NEXT, 'loaded'): _H.OFFERING_NEXT,
    (_H.LOADING_NEXT, 'cannot be loaded'): _H.SERVED,
    (_H.OFFERING_NEXT, 'edge is ready'): _H.SERVED,
    (_H.OFFERING_NEXT, 'refused or timeout'): _H.SERVED,
}

SERVICE_TABLE: Table[ServiceState] = {
    (_S.PREPARING, 'first epoch'): _S.PREPARING,
    (_S.PREPARING, 'prepared'): _S.SERVED,
    (_S.PREPARING, 'cannot be prepared'): _S.REFUSED,
    (_S.SERVED, 'known epoch'): _S.SERVED,
    (_S.SERVED, 'next epoch'): _S.SWITCHING,
    (_S.SERVED, 'first epoch'): _S.PREPARING,
    (_S.SERVED, 'prepared'): _S.SERVED,
    (_S.SERVED, 'cannot be prepared'): _S.SERVED,
    (_S.SWITCHING, 'known epoch'): _S.SERVED,
    (_S.SWITCHING, 'next epoch'): _S.SWITCHING,
    (_S.SWITCHING, 'first epoch'): _S.PREPARING,
    (_S.SWITCHING, 'prepared'): _S.SERVED,
    (_S.SWITCHING, 'cannot be prepared'): _S.SERVED,
}
