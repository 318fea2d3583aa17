"""The run that a robot takes part in, the plan in force, and the run that waits."""

from __future__ import annotations

import math

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.federation import RobotState, RoundPlan, RunInfo

# Heartbeats without a plan after which a run is over for a robot.
_SILENT_BEATS = 5
_BUSY = (RobotState.PREPARING, RobotState.TRAINING)
_FREE = (RobotState.FINISHED, RobotState.REFUSED)


class Membership:
    """info, plan: of the run that the robot is in; a plan may come before its info."""

    def __init__(self) -> None:
        self.info: RunInfo | None = None
        self.plan: RoundPlan | None = None
        self._heard = -math.inf
        self._waiting: RunInfo | None = None

    def take_info(self, info: RunInfo, state: RobotState, now: float) -> bool:
        """Take a run info; return whether to join its run, False if the robot is in it already.

        MessageError if the robot is in another run that goes on: latched info comes only once, so
        it is kept until that run is over or silent.
        """
        current = self.info
        if current and info.run_id == current.run_id:
            if info.epoch < current.epoch:
                raise MessageError('old epoch', f'epoch {info.epoch} after {current.epoch}')
            if info.constants() == current.constants():
                self.info = info
                return False
        if current and not self._may_change(current, state, now):
            self._waiting = info
            raise MessageError('foreign run', f'run {info.run_id!r} during {current.run_id!r}')
        return True

    def join(self, info: RunInfo, now: float) -> None:
        """Be in the run of `info` from now on."""
        self.info, self._waiting = info, None
        if self.plan and self.plan.run_id != info.run_id:
            self.plan = None
        self._heard = now

    def take_plan(self, plan: RoundPlan, now: float) -> bool:
        """Take a plan; return whether it is in force, not only kept for its info.

        MessageError if it is of another run, old, or beyond the last round.
        """
        if self.info is None:
            self.plan = plan  # latched topics may arrive in any order
            return False
        if plan.run_id != self.info.run_id:
            raise MessageError('foreign run', f'plan of run {plan.run_id!r}')
        known = self.plan
        if known and (plan.epoch, plan.sequence) <= (known.epoch, known.sequence):
            raise MessageError('old plan', f'plan {plan.epoch}.{plan.sequence} is not new')
        if plan.round > self.info.rounds:
            raise MessageError('wrong round', f'round {plan.round} of {self.info.rounds}')
        self.plan, self._heard = plan, now
        return True

    def silence(self, now: float) -> str:
        """Return that the aggregator is silent, if it is; else ''."""
        if self.info is None or now - self._heard <= _SILENT_BEATS * self.info.heartbeat_period:
            return ''
        return f'the aggregator of {self.info.run_id}, which is silent'

    def take_waiting(self, state: RobotState, now: float) -> RunInfo | None:
        """Return and forget the run that waits, if the robot may change to it now."""
        info = self._waiting
        if info is None or self.info is None or not self._may_change(self.info, state, now):
            return None
        self._waiting = None
        return info

    def _may_change(self, current: RunInfo, state: RobotState, now: float) -> bool:
        if state in _BUSY:
            return False  # the worker is busy; asked again at the next heartbeat
        silent = now - self._heard > _SILENT_BEATS * current.heartbeat_period
        return silent or state in _FREE
