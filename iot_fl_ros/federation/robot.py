"""A robot's side of a federated run, as a state machine without I/O.

States and transitions: `federation.states`. The robot takes part in rounds that name it, trains on
its worker, sends what came out, and repeats what the aggregator asks for. Repair is driven by the
receiver: statuses and plans announce digests every heartbeat, who lacks pieces asks for them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from iot_fl_ros.core import effects as do
from iot_fl_ros.core import events
from iot_fl_ros.core.effects import Effect
from iot_fl_ros.core.errors import ConfigError, IotFlError, MessageError
from iot_fl_ros.core.machine import Tracker
from iot_fl_ros.core.messages import federation as messages
from iot_fl_ros.core.messages.chunks import ChunkRequest, TensorChunk
from iot_fl_ros.core.messages.federation import AGGREGATOR, RobotState
from iot_fl_ros.core.messages.fields import NO_DIGEST
from iot_fl_ros.core.tensors import Tensors
from iot_fl_ros.exchange.chunking import Parcel
from iot_fl_ros.exchange.endpoint import Endpoint
from iot_fl_ros.exchange.waiting import Waiting
from iot_fl_ros.federation.global_inbox import GlobalInbox
from iot_fl_ros.federation.jobs import Prepare, Prepared, Trained, TrainRound
from iot_fl_ros.federation.membership import Membership
from iot_fl_ros.federation.speech import samples_text
from iot_fl_ros.federation.states import ROBOT_TABLE
from iot_fl_ros.methods.contract import sendable_loss
from iot_fl_ros.methods.method import StarMethod
from iot_fl_ros.methods.registry import METHODS, method_of

_HEARTBEAT = 'heartbeat'
_REPAIR = 'repair'
_JOINING_PERIOD = 1.0
# States in which a robot waits for nobody.
_QUIET = (RobotState.PREPARING, RobotState.TRAINING, RobotState.FINISHED, RobotState.REFUSED)
# Tensors that arrive before the run info they belong to: latched topics come in any order.
_MAX_EARLY_CHUNKS = 256


class RobotMachine(Tracker[RobotState]):
    """One robot. `handle` is the only entry; it never blocks and never raises on remote input.

    trusted: dotted paths of methods that a run may name; registered names always may. tags: what
    the robot says of itself.
    """

    def __init__(
        self, robot_id: str, trusted: Sequence[str] = (), tags: Sequence[str] = ()
    ) -> None:
        super().__init__(ROBOT_TABLE, RobotState.JOINING)
        self.robot_id = robot_id
        self.endpoint = Endpoint(robot_id)
        self._trusted = tuple(trusted)
        self._tags = tuple(tags)
        if len(self._tags) > messages.MAX_TAGS:
            raise ConfigError(
                f'robot.tags has {len(self._tags)} items: {messages.MAX_TAGS} are allowed'
            )
        self.accuracy = self._battery = math.nan
        self.round = self._samples = 0
        self._method: StarMethod
        self._run = Membership()
        self.tensors: GlobalInbox
        self._early: list[messages.GlobalChunk] = []
        self._learned = NO_DIGEST
        self._update: Parcel | None = None  # that may be asked for
        self._model_version = 0  # of the global tensors that it was computed from
        self._upload_seconds = math.nan  # of the last upload
        self._result: Trained | None = None
        self.reason = ''
        self._waiting = Waiting()
        self._idle_since = self._wait_seconds = 0.0
        self._train_began = self._upload_began = 0.0

    @property
    def info(self) -> messages.RunInfo | None:
        """The run that the robot is in; None before the first."""
        return self._run.info

    def start(self, now: float) -> list[Effect]:
        """Begin: announce the robot and keep doing so."""
        self._idle_since = now
        return self._beat(now)

    def note_battery(self, charge: float) -> None:
        """Take note of the charge of the battery, 0..1; anything else = unknown."""
        self._battery = charge if 0.0 <= charge <= 1.0 else math.nan

    def handle(self, event: events.Event, now: float) -> list[Effect]:
        """Take one event; return what to do about it."""
        match event:
            case events.MessageArrived():
                return self.endpoint.take(event, lambda message: self._message(message, now))
            case events.BadMessage():
                return self.endpoint.bad(event)
            case events.TimerFired(name):
                return self._repair_global(now) if name == _REPAIR else self._beat(now)
            case events.JobDone(Prepare(), Prepared() as result):
                return self._prepared(result, now)
            case events.JobFailed(Prepare() as job, error):
                return self._cannot_take_part(job, error, now)
            case events.JobDone(TrainRound() as job, Trained() as result):
                return self._trained(job, result, now)
            case events.JobFailed(TrainRound() as job, error):
                return self._training_failed(job, error, now)
            case events.CheckpointSaved():
                return self._saved(now)
            case events.JobFailed(do.SaveCheckpoint(), error):
                return [do.Warn('checkpoint', f'checkpoint not saved: {error}'), *self._saved(now)]
            case events.Leave():
                return [self._status(now, RobotState.LEAVING)]
        return []

    # --- messages -------------------------------------------------------------------------------

    def _message(self, message: Any, now: float) -> list[Effect]:
        match message:
            case messages.RunInfo():
                return self._run_info(message, now)
            case messages.RoundPlan():
                return self._round_plan(message, now)
            case messages.GlobalChunk():
                return self._global_chunk(message, now)
            case ChunkRequest() if message.receiver_id == self.robot_id:
                kept = [self._update] if self._update else []
                return self.endpoint.answer(message, TensorChunk, kept, now)
        return []

    def _take_early(self, now: float) -> list[Effect]:
        """Take the global tensors that came before the run info or plan that they belong to."""
        early, self._early = self._early, []
        effects: list[Effect] = []
        for chunk in early:
            effects += self.endpoint.guard(chunk, lambda early: self._global_chunk(early, now))
        return effects

    def _run_info(self, info: messages.RunInfo, now: float) -> list[Effect]:
        before = self.info
        if not self._run.take_info(info, self.state, now):
            more = before is not None and info.rounds > before.rounds
            return self._more_rounds(now) if more and self.state is RobotState.FINISHED else []
        try:
            METHODS.check_remote(info.method, self._trusted)
            self._method = method_of(info)
        except IotFlError as error:
            if self.info is None and self.state is RobotState.JOINING:
                self.go('cannot take part')
                self.reason = str(error)[:255]
            raise MessageError('unusable', str(error)) from error
        self.go('run info' if self.state is RobotState.JOINING else 'new run')
        self._run.join(info, now)
        self.endpoint.run_id = info.run_id
        self.tensors = GlobalInbox(self._method)
        if self._run.plan:
            self.tensors.plan(self._run.plan.model_digest, self._run.plan.round)
        self._update = self._result = None
        self._upload_seconds = math.nan
        self.round = self._model_version = 0
        self.reason = ''
        return [do.StartJob(Prepare(info)), self._status(now), *self._take_early(now)]

    def _more_rounds(self, now: float) -> list[Effect]:
        """The run that was over goes on: with the model as it is."""
        self.go('more rounds')
        self._idle_since = now
        said = do.Say(
            f'{self.endpoint.run_id} goes on: {self.info.rounds if self.info else 0} rounds'
        )
        return [said, self._status(now), *self._advance(now)]

    def _round_plan(self, plan: messages.RoundPlan, now: float) -> list[Effect]:
        if not self._run.take_plan(plan, now):
            return []
        self.tensors.plan(plan.model_digest, plan.round)
        early = self._take_early(now)
        if self.state is RobotState.UPLOADING:
            if plan.round > self.round:
                self.go('round over')
                self._upload_seconds = math.nan
            elif self.robot_id in plan.accepted:
                self.go('accepted')
                self._upload_seconds = max(0.0, now - self._upload_began)
        return early + self._expect_global() + self._advance(now)

    def _global_chunk(self, chunk: messages.GlobalChunk, now: float) -> list[Effect]:
        info = self.info if self._run.plan else None
        if info is None and len(self._early) < _MAX_EARLY_CHUNKS:
            self._early.append(chunk)
            return []
        if info is None or chunk.run_id != info.run_id:
            raise MessageError('foreign run', f'tensors of run {chunk.run_id!r}')
        if self.state is RobotState.REFUSED or not self.tensors.take(chunk):
            return []
        return [*self._expect_global(), *self._advance(now)]

    # --- progress -------------------------------------------------------------------------------

    def _advance(self, now: float) -> list[Effect]:
        """Start whatever the plan and the tensors at hand allow."""
        plan = self._run.plan
        if plan is None or self.info is None or plan.run_id != self.info.run_id:
            return []
        if plan.epoch < self.info.epoch:
            return []  # of an aggregator that has started again since: it says other things now
        if self.state not in (RobotState.READY, RobotState.UPLOADING):
            return []
        if plan.model_digest not in (self.tensors.held, NO_DIGEST):
            return []  # the tensors are on their way, or will be asked for
        if plan.state == messages.PlanState.FINISHED:
            return self._finish(plan, now)
        asked = plan.state == messages.PlanState.COLLECTING and self.robot_id in plan.participants
        if not asked or plan.round <= self.round:
            return []
        self._wait_seconds = max(0.0, now - self._idle_since)
        return self._start_job(plan, now, last=False)

    def _finish(self, plan: messages.RoundPlan, now: float) -> list[Effect]:
        measured = not math.isnan(self.accuracy)
        if measured and not self.tensors.fresh and self._method.global_specs(1):
            self.go('nothing to adopt')
            return [self._status(now), do.RunEnded()]
        return self._start_job(plan, now, last=True)

    def _start_job(self, plan: messages.RoundPlan, now: float, *, last: bool) -> list[Effect]:
        self.go('plan and tensors')
        self._train_began = now
        tensors = self.tensors
        self._learned = tensors.held
        job = TrainRound(plan.round, plan.model_version, tensors.fresh, last)
        if not self._method.shares_state:
            tensors.use_up()  # distilled once; weights are adopted again after a lost round
        return [do.StartJob(job)]

    def _prepared(self, result: Prepared, now: float) -> list[Effect]:
        self._samples = result.samples
        self._idle_since = now
        assert self.info is not None
        said: list[Effect] = [
            do.Say(
                f'takes part in {self.info.run_id}: {self.info.method}, '
                f'{self.info.rounds} rounds; '
                f'{samples_text(result.samples, result.class_counts, self.info.class_names)}'
            )
        ]
        manifest = result.manifest
        if manifest is None:
            self.go('prepared')
            return [*said, self._status(now), *self._advance(now)]
        self.round = manifest['round']
        version = manifest['model_version']
        self._put(result.update, version)
        self._result = Trained(result.update, *manifest['measures'])
        self.accuracy = self._result.accuracy
        if not self._method.shares_state:
            # The model behind the checkpoint has learned from these: they need not come again.
            self.tensors.learned(bytes.fromhex(manifest['learned']), version)
        self.go('prepared with update')
        said.append(do.Say(f'goes on with its update of round {self.round}'))
        return [*said, *self._send_update(now), *self._advance(now)]

    def _cannot_take_part(self, job: Prepare, error: str, now: float) -> list[Effect]:
        self.go('cannot take part')
        self.reason = error[:255]
        text = f'cannot take part in {job.info.run_id}: {error}'
        return [do.Warn('prepare', text), self._status(now)]

    def _trained(self, job: TrainRound, result: Trained, now: float) -> list[Effect]:
        # By the clock of the run, which is virtual in a fleet in memory.
        seconds = max(0.0, now - self._train_began)
        loss, warnings = sendable_loss(result.loss, job.round)
        result = dataclasses.replace(result, seconds=seconds, loss=loss)
        self.reason = ''
        self.accuracy = result.accuracy
        self._model_version = job.model_version
        if job.last:
            self._result = Trained({}, math.nan, result.accuracy, result.seconds)
            self.go('final tensors adopted')
            if self.info and self.info.rounds > job.round:
                return self._more_rounds(now)  # it has been told meanwhile
            return [self._status(now), do.RunEnded()]
        self.round = job.round
        self._result = result
        self._put(result.update, job.model_version)
        manifest = {
            'run_id': self.endpoint.run_id,
            'round': job.round,
            'model_version': job.model_version,
            'measures': [result.loss, result.accuracy, result.seconds],
            'learned': self._learned.hex(),
        }
        return [*warnings, do.SaveCheckpoint(job.round, manifest, result.update)]

    def _training_failed(self, job: TrainRound, error: str, now: float) -> list[Effect]:
        self.go('cannot take part' if job.last else 'training failed')
        self.reason = f'training failed: {error}'[:255]
        self.round = job.round  # not again in this round
        self._update = self._result = None
        return [do.Warn('training', f'training failed: {error}'), self._status(now)]

    def _saved(self, now: float) -> list[Effect]:
        self.go('update saved')
        self._idle_since = now
        effects = self._send_update(now)
        if self._run.plan and self._run.plan.round > self.round:
            self.go('round over')
        return [*effects, *self._advance(now)]

    # --- sending --------------------------------------------------------------------------------

    def _beat(self, now: float) -> list[Effect]:
        period = self.info.heartbeat_period if self.info else _JOINING_PERIOD
        effects: list[Effect] = [do.SetTimer(_HEARTBEAT, period), self._status(now)]
        if self.state is RobotState.JOINING:
            effects += self._waiting.look('run', 'an aggregator that announces a run', now)
        else:
            silence = self._run.silence(now) if self.state not in _QUIET else ''
            effects += self._waiting.look('plan' if silence else '', silence, now)
        waiting = self._run.take_waiting(self.state, now)
        if waiting:
            effects += self.endpoint.guard(waiting, lambda info: self._run_info(info, now))
        return effects

    def _expect_global(self) -> list[Effect]:
        """Watch for the global tensors that the plan names, if they are not here."""
        delay = self.tensors.expect()
        return [] if delay is None else [do.SetTimer(_REPAIR, delay)]

    def _repair_global(self, now: float) -> list[Effect]:
        """Ask for global tensors that the plan names and that stopped arriving."""
        if self.info is None:
            return []
        digest = self.tensors.wanted
        missing, delay = self.tensors.look()
        effects: list[Effect] = [] if delay is None else [do.SetTimer(_REPAIR, delay)]
        if missing is None:
            return effects
        return [self.endpoint.request(AGGREGATOR, digest, missing, now), *effects]

    def _put(self, update: Tensors, model_version: int) -> None:
        """Take the update of this round."""
        self._model_version = model_version
        self._update = Parcel.of(update, round=self.round, model_version=model_version)

    def _send_update(self, now: float) -> list[Effect]:
        assert self._update is not None
        self._upload_began = now
        return [self._status(now), *self.endpoint.send(TensorChunk, self._update, now)]

    def _status(self, now: float, state: RobotState | None = None) -> do.Publish:
        result = self._result
        return do.Publish(
            messages.RobotStatus(
                **self.endpoint.status_head(now),
                state=self.state if state is None else state,
                reason=self.reason,
                round=self.round,
                model_version=self._model_version,
                update_digest=self._update.digest if self._update else NO_DIGEST,
                samples=self._samples,
                loss=result.loss if result else math.nan,
                accuracy=result.accuracy if result else math.nan,
                train_seconds=result.seconds if result else 0.0,
                wait_seconds=self._wait_seconds,
                upload_seconds=self._upload_seconds,
                battery=self._battery,
                tags=self._tags,
            )
        )
