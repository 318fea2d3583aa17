"""The states of a robot and of the aggregator, and every transition between them.

Theory of operation. The aggregator gathers robots until there are enough, opens a round with those
that it asks, collects their updates until the quorum is in or the deadline is over, aggregates on
its worker, and saves. A round counts only once its result is on disk. A robot that hears of a run
prepares for it, waits until a plan names it and the tensors of that plan are here, trains, saves
its update, and uploads it until the plan says that it was accepted or the round is over.
Rules: see `core.machine`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from iot_fl_ros.core.machine import Table
from iot_fl_ros.core.messages.federation import PlanState, RobotState


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

AGGREGATOR_TABLE: Table[AggregatorState] = {
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

ROBOT_TABLE: Table[RobotState] = {
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
    (_R.FINISHED, 'more rounds'): _R.READY,
    (_R.REFUSED, 'new run'): _R.PREPARING,
}
