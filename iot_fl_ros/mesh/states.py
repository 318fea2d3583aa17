"""The states of a peer of a mesh, and every transition between them.

Theory of operation. A peer that is prepared waits for its neighbours, or for a while. Then each
round: it trains, announces its update and publishes it, takes those of its neighbours until all
are in or the deadline is over, mixes them with its own on its worker, and saves. Who is silent is
not waited for, and takes part again when it is back. Rules: see `core.machine`.
"""

from __future__ import annotations

from iot_fl_ros.core.machine import Table
from iot_fl_ros.core.messages.mesh import PeerState

_P = PeerState

PEER_TABLE: Table[PeerState] = {
    (_P.PREPARING, 'prepared'): _P.READY,
    (_P.PREPARING, 'prepared after the last round'): _P.FINISHED,
    (_P.PREPARING, 'cannot take part'): _P.REFUSED,
    (_P.READY, 'neighbours heard or timeout'): _P.TRAINING,
    (_P.TRAINING, 'trained'): _P.EXCHANGING,
    (_P.TRAINING, 'training failed'): _P.EXCHANGING,
    (_P.EXCHANGING, 'updates in or deadline'): _P.MIXING,
    (_P.MIXING, 'saved'): _P.TRAINING,
    (_P.MIXING, 'last round saved'): _P.FINISHED,
}
