"""Places of a token as one robot sees it, and every transition between them.

Theory of operation. A robot that is offered a token receives its pieces, keeps them on disk, and
claims the right to hold it (Paxos, see `token.acceptor`). With a majority it waits for its worker,
trains, saves, and offers the token to the next robot of the route, until that one's claim is
accepted. Whoever learns of a later holder lets go. Rules: see `core.machine`.
"""

from __future__ import annotations

from enum import Enum

from iot_fl_ros.core.machine import Table


class Place(Enum):
    """Places of a token, seen from one robot."""

    ELSEWHERE = 'elsewhere'
    RECEIVING = 'receiving'
    KEEPING = 'keeping'
    CLAIMING = 'claiming'
    WAITING = 'waiting'
    TRAINING = 'training'
    SAVING = 'saving'
    OFFERING = 'offering'
    FINISHED = 'finished'


_P = Place
HELD = (_P.WAITING, _P.TRAINING, _P.SAVING, _P.OFFERING)

PLACE_TABLE: Table[Place] = {
    (_P.ELSEWHERE, 'offered'): _P.RECEIVING,
    (_P.ELSEWHERE, 'has a copy that is wanted'): _P.CLAIMING,
    (_P.RECEIVING, 'all pieces'): _P.KEEPING,
    (_P.RECEIVING, 'offered'): _P.RECEIVING,
    (_P.RECEIVING, 'superseded'): _P.ELSEWHERE,
    (_P.KEEPING, 'on disk'): _P.CLAIMING,
    (_P.KEEPING, 'not kept'): _P.ELSEWHERE,
    (_P.CLAIMING, 'majority'): _P.WAITING,
    (_P.CLAIMING, 'no majority'): _P.ELSEWHERE,
    (_P.CLAIMING, 'superseded'): _P.ELSEWHERE,
    (_P.WAITING, 'trains'): _P.TRAINING,
    (_P.WAITING, 'nothing to train'): _P.SAVING,
    (_P.WAITING, 'superseded'): _P.ELSEWHERE,
    (_P.TRAINING, 'trained'): _P.SAVING,
    (_P.TRAINING, 'training failed'): _P.SAVING,
    (_P.TRAINING, 'superseded'): _P.ELSEWHERE,
    (_P.SAVING, 'on disk'): _P.OFFERING,
    (_P.SAVING, 'superseded'): _P.ELSEWHERE,
    (_P.OFFERING, 'its turn again'): _P.WAITING,
    (_P.OFFERING, 'its turn again, after an offer'): _P.CLAIMING,
    (_P.OFFERING, 'promised to the next'): _P.ELSEWHERE,
    (_P.OFFERING, 'superseded'): _P.ELSEWHERE,
    (_P.OFFERING, 'tour over'): _P.FINISHED,
    (_P.FINISHED, 'goes on elsewhere'): _P.ELSEWHERE,
    (_P.ELSEWHERE, 'finished elsewhere'): _P.FINISHED,
    (_P.RECEIVING, 'finished elsewhere'): _P.FINISHED,
    (_P.KEEPING, 'finished elsewhere'): _P.FINISHED,
    (_P.CLAIMING, 'finished elsewhere'): _P.FINISHED,
}
