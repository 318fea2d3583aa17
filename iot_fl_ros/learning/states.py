"""The states of a robot, of the aggregator and of a peer, and every transition between them.

Rules:
- A pair (state, trigger) that is not in the table is a bug and raises.
- docs/state_machines.md is drawn from these tables by tools/generate_docs.py.
- The values are those of the wire (RobotStatus, RoundPlan, PeerStatus) where there is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Generic, TypeVar

from iot_fl_ros.core.messages import PlanState, RobotState
from iot_fl_ros.core.peer_messages import PeerState

__all__ = [
    'AGGREGATOR_TABLE',
    'PEER_TABLE',
    'PLAN_STATES',
    'ROBOT_TABLE',
    'AggregatorState',
    'PeerState',
    'RobotState',
    'Tracker',
]


class AggregatorState(Enum):
    """States of the aggregator."""

    IDLE = 'idle'
    GATHERING = 'gathering'
    COLLECTING = 'collecting'
    AGGREGATING = 'aggregating'
    SAVING = 'saving'
    FINISHED = 'finished'


_A = AggregatorState
_R = RobotState
_P = PeerState

AGGREGATOR_TABLE: Mapping[tuple[AggregatorState, str], AggregatorState] = {
    (_A.IDLE, 'start'): _A.GATHERING,
    (_A.IDLE, 'start of a finished run'): _A.FINISHED,
    (_A.GATHERING, 'enough robots'): _A.COLLECTING,
    (_A.COLLECTING, 'quorum or deadline'): _A.AGGREGATING,
    (_A.COLLECTING, 'no updates'): _A.SAVING,
    (_A.AGGREGATING, 'aggregated'): _A.SAVING,
    (_A.AGGREGATING, 'aggregation failed'): _A.SAVING,
    (_A.SAVING, 'saved'): _A.GATHERING,
    (_A.SAVING, 'last round saved'): _A.FINISHED,
}

PLAN_STATES: Mapping[AggregatorState, PlanState] = {
    _A.IDLE: PlanState.GATHERING,
    _A.GATHERING: PlanState.GATHERING,
    _A.COLLECTING: PlanState.COLLECTING,
    _A.AGGREGATING: PlanState.AGGREGATING,
    _A.SAVING: PlanState.AGGREGATING,
    _A.FINISHED: PlanState.FINISHED,
}

ROBOT_TABLE: Mapping[tuple[RobotState, str], RobotState] = {
    (_R.JOINING, 'run info'): _R.PREPARING,
    (_R.JOINING, 'cannot take part'): _R.REFUSED,
    (_R.PREPARING, 'prepared'): _R.READY,
    (_R.PREPARING, 'prepared with update'): _R.UPLOADING,
    (_R.PREPARING, 'cannot take part'): _R.REFUSED,
    (_R.READY, 'plan and tensors'): _R.TRAINING,
    (_R.UPLOADING, 'plan and tensors'): _R.TRAINING,
    (_R.UPLOADING, 'accepted'): _R.READY,
    (_R.UPLOADING, 'round over'): _R.READY,
    (_R.TRAINING, 'update saved'): _R.UPLOADING,
    (_R.TRAINING, 'training failed'): _R.READY,
    (_R.TRAINING, 'cannot take part'): _R.REFUSED,
    (_R.TRAINING, 'final tensors adopted'): _R.FINISHED,
    (_R.READY, 'nothing to adopt'): _R.FINISHED,
    (_R.UPLOADING, 'nothing to adopt'): _R.FINISHED,
    (_R.READY, 'new run'): _R.PREPARING,
    (_R.UPLOADING, 'new run'): _R.PREPARING,
    (_R.FINISHED, 'new run'): _R.PREPARING,
    (_R.REFUSED, 'new run'): _R.PREPARING,
}

PEER_TABLE: Mapping[tuple[PeerState, str], PeerState] = {
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

S = TypeVar('S', bound=Enum)


class Tracker(Generic[S]):
    """Holds a state and lets it change only as its table says."""

    def __init__(self, table: Mapping[tuple[S, str], S], initial: S) -> None:
        self._table = table
        self.state = initial

    def go(self, trigger: str) -> None:
        """Follow `trigger`; raises LookupError if the table has no such transition."""
        try:
            self.state = self._table[self.state, trigger]
        except KeyError:
            raise LookupError(f'{trigger!r} cannot happen in {self.state}') from None
