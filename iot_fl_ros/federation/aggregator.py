"""The aggregator of a federated run, as a state machine without I/O.

States and transitions: `federation.states`. A round opens with the robots that are available,
closes when the quorum is in or the deadline is over, and counts only after its result is on disk.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from iot_fl_ros.core import effects as do
from iot_fl_ros.core import events
from iot_fl_ros.core.effects import Effect
from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.machine import Tracker
from iot_fl_ros.core.messages import federation as messages
from iot_fl_ros.core.messages.chunks import ChunkRequest, TensorChunk
from iot_fl_ros.core.messages.federation import AGGREGATOR, RobotState, RobotStatus
from iot_fl_ros.core.messages.fields import NO_DIGEST
from iot_fl_ros.core.tensors import Tensors
from iot_fl_ros.exchange.chunking import chunk_count
from iot_fl_ros.exchange.endpoint import OTHERS, Endpoint
from iot_fl_ros.exchange.inbox import FIRST_DELAY
from iot_fl_ros.exchange.open_round import OpenRound
from iot_fl_ros.federation.global_sets import GlobalSets, wire_specs
from iot_fl_ros.federation.jobs import Aggregate, Evaluate
from iot_fl_ros.federation.report import report_of, row_of
from iot_fl_ros.federation.roster import Roster
from iot_fl_ros.federation.selection.history import records_of
from iot_fl_ros.federation.selection.selector import FILTERS, ParticipantSelector
from iot_fl_ros.federation.selection.settings import ASK_ALL, SelectSettings
from iot_fl_ros.federation.settings import RunSettings
from iot_fl_ros.federation.speech import RunSpeech
from iot_fl_ros.federation.states import AGGREGATOR_TABLE, PLAN_STATES, AggregatorState
from iot_fl_ros.federation.traffic import Traffic
from iot_fl_ros.methods.registry import method_of

_HEARTBEAT = 'heartbeat'
_DEADLINE = 'deadline'
_START = 'start'
_REPAIR = 'repair'


class AggregatorMachine(Tracker[AggregatorState]):
    """The aggregator. `handle` is the only entry; it never blocks nor raises on remote input.

    initial: tensors to send before round 1. restored: (manifest, tensors) of a checkpoint.
    select: whom rounds ask; selector: who decides that, instead.
    """

    def __init__(
        self,
        settings: RunSettings,
        info: messages.RunInfo,
        initial: Tensors,
        restored: tuple[Mapping[str, Any], Tensors] | None = None,
        select: SelectSettings = ASK_ALL,
        selector: ParticipantSelector | None = None,
    ) -> None:
        super().__init__(AGGREGATOR_TABLE, AggregatorState.IDLE)
        self.info = info
        self.endpoint = Endpoint(AGGREGATOR)
        self.roster = Roster(settings.lease)
        self.traffic = Traffic()
        self.round = self.version = self._plan_sequence = 0
        self._settings = settings
        self._selector = selector or ParticipantSelector(select, info.seed, settings.quorum)
        self._method = method_of(info)
        self._speech = RunSpeech(settings, info, self._method.settings)
        self.open_round: OpenRound[RobotStatus] | None = None
        # Rows of rounds that have not been measured yet, and the rounds that are being measured.
        self._rows: dict[int, dict[str, Any]] = {}
        self._measuring: set[int] = set()
        self._started = self._over = self._settling = self._info_wanted = False
        self._finished_at: float | None = None
        self._deadline_at = 0.0
        self._history = GlobalSets(self._method)
        if restored is None:
            self._history.add(initial, round=0, model_version=0)
        else:
            self._restore(*restored)
        self.endpoint.run_id = self.info.run_id

    def _restore(self, manifest: Mapping[str, Any], tensors: Tensors) -> None:
        """Go on from a checkpoint."""
        self.round, self.version = manifest['round'], manifest['model_version']
        self._history.restore(manifest['sets'], tensors)
        if manifest['row']:
            self._rows[self.round] = dict(manifest['row'])
        self.info = dataclasses.replace(
            self.info, run_id=manifest['run_id'], epoch=manifest['epoch'] + 1
        )
        self.traffic.restore(manifest['traffic'])
        if 'selector' in manifest:
            self._selector.restore(manifest['selector'])

    @property
    def global_chunk_count(self) -> int:
        """Chunks of one set of global tensors."""
        return chunk_count(sum(spec.nbytes for spec in wire_specs(self._method, 1)))

    @property
    def global_digest(self) -> bytes:
        """Digest of the newest global tensors."""
        return self._history.newest.digest

    def waiting(self, now: float) -> float:
        """Return for how long it has waited for robots or their updates, s."""
        return self._speech.waiting(now)

    def start(self, now: float) -> list[Effect]:
        """Begin, or go on after the checkpoint that the machine was made from."""
        finished = self.round >= self._settings.rounds
        self.go('start of a finished run' if finished else 'start')
        self.info = dataclasses.replace(self.info, stamp=now)
        effects = self._speech.begun(self.round)
        effects += [do.Publish(self.info), *self._send_newest(now), *self._beat(now)]
        if not finished:
            effects.append(do.SetTimer(_START, self._settings.start_timeout))
        if self.round:
            effects.append(self._evaluate())
        return effects + (self._finish(now) if finished else [])

    def handle(self, event: events.Event, now: float) -> list[Effect]:
        """Take one event; return what to do about it."""
        match event:
            case events.MessageArrived():
                return self._arrived(event, now)
            case events.BadMessage(wire_bytes=wire_bytes):
                self.traffic.received(OTHERS, wire_bytes)
                return self.endpoint.bad(event)
            case events.TimerFired(name):
                return self._timer(name, now)
            case events.PeersChanged():
                return self._check_roster(now)
            case events.LimitsChanged():
                return self._limits_changed(event, now)
            case events.JobDone(Aggregate() as job, result):
                return self._aggregated(job, result)
            case events.JobFailed(Aggregate(), error):
                self.go('aggregation failed')
                return [self._speech.aggregation_failed(error), self._save()]
            case events.JobDone(Evaluate() as job, accuracy):
                return self._evaluated(job, accuracy, now)
            case events.JobFailed(Evaluate() as job, error):
                warn = do.Warn('evaluate', f'evaluation failed: {error}')
                return [warn, *self._evaluated(job, math.nan, now)]
            case events.CheckpointSaved():
                return self._saved(now)
            case events.JobFailed(do.SaveCheckpoint(), error):
                return [do.Warn('checkpoint', f'checkpoint not saved: {error}'), *self._saved(now)]
        return []

    # --- messages -------------------------------------------------------------------------------

    def _arrived(self, event: events.MessageArrived, now: float) -> list[Effect]:
        sender = event.message.sender
        if sender != AGGREGATOR:
            known = self.roster.get(sender) is not None
            self.traffic.received(sender if known else OTHERS, event.wire_bytes)
        return self.endpoint.take(event, lambda message: self._message(message, now))

    def _message(self, message: Any, now: float) -> list[Effect]:
        foreign = message.run_id != self.info.run_id
        self._info_wanted |= foreign and isinstance(message, RobotStatus)
        if message.run_id:
            self.endpoint.check_run(message)
        match message:
            case RobotStatus():
                return self._status(message, now)
            case TensorChunk():
                return self._chunk(message, now)
            case ChunkRequest() if message.receiver_id == AGGREGATOR:
                return self.endpoint.answer(message, messages.GlobalChunk, self._history.kept, now)
        return []

    def _status(self, status: RobotStatus, now: float) -> list[Effect]:
        if status.round > self.round + 1:
            raise MessageError('wrong round', f'round {status.round}, open is {self.round}')
        if status.state == RobotState.LEAVING:
            if not self.roster.get(status.robot_id):
                return []  # it has been counted as gone, or was never here
            self.roster.forget(status.robot_id)
            gone = self._without(status.robot_id, now, left=True)
            return gone + self._close_if_complete(now)
        known = self.roster.get(status.robot_id)
        self.roster.hear(status, now)
        self.traffic.reported(status)
        robots = len(self.roster.statuses())
        effects = self._speech.heard(status, known, robots, self.round, now)
        if self.open_round:
            refused = status.robot_id in self.open_round.refused
            self.open_round.add_status(status, now)
            if status.state == RobotState.REFUSED:
                self.open_round.refuse(status.robot_id)
            elif not refused and status.robot_id in self.open_round.refused:
                effects += self._speech.training_failed(status)
            return effects + self._settle(status.robot_id, now) + self._close_if_complete(now)
        return effects + self._open_if_possible(now) + self._end_if_done(now)

    def _chunk(self, chunk: TensorChunk, now: float) -> list[Effect]:
        if self.open_round is None or chunk.round < self.open_round.number:
            raise MessageError('late', f'round {chunk.round} is closed')
        self.open_round.add_chunk(chunk, self._method)
        return self._settle(chunk.sender_id, now) + self._close_if_complete(now)

    def _settle(self, robot_id: str, now: float) -> list[Effect]:
        assert self.open_round is not None
        try:
            if not self.open_round.settle(robot_id, self._method, now):
                return []
        except MessageError as error:  # the round does not wait for it any more
            reason = f'{TensorChunk.TOPIC}: {error.reason}'
            return [self.endpoint.refuse(robot_id, reason, str(error))]
        self.roster.missed[robot_id] = 0
        # Time-based selection: confirm at once so that upload time is exact.
        told: list[Effect] = [self._plan(now)] if self._selector.chooses else []
        return [do.Record({'kind': 'update', 'round': self.round, 'robot': robot_id}), *told]

    # --- timers ---------------------------------------------------------------------------------

    def _timer(self, name: str, now: float) -> list[Effect]:
        if name == _HEARTBEAT:
            return [*self._beat(now), *self._check_roster(now), *self._end_if_done(now)]
        if name == _START:
            self._started = True
            return self._open_if_possible(now)
        if name == _DEADLINE and self.open_round:
            return self._close(now)
        if name == _REPAIR and self.open_round:
            return self._repair(now)
        return []

    def _beat(self, now: float) -> list[Effect]:
        effects: list[Effect] = [
            do.SetTimer(_HEARTBEAT, self._settings.heartbeat),
            self._plan(now),
        ]
        if self._info_wanted:
            self._info_wanted = False
            effects.append(do.Publish(self.info))
        return effects + self._waits(now)

    def _waits(self, now: float) -> list[Effect]:
        gathering = self.state is AggregatorState.GATHERING
        if not (gathering or self.open_round):
            self._speech.waits_for_nothing(now)
            return []
        left = max(0.0, self._deadline_at - now)
        return self._speech.waits(self.open_round, len(self.roster.available()), left, now)

    def _repair(self, now: float) -> list[Effect]:
        """Ask for the pieces of updates that stopped coming."""
        assert self.open_round is not None
        requests = [self.endpoint.request(*one, now) for one in self.open_round.wanted(now)]
        return [do.SetTimer(_REPAIR, FIRST_DELAY), *requests]

    def _check_roster(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        for robot_id in self.roster.drop_silent(now):
            self.endpoint.refusals.add(robot_id, 'gone')
            effects += self._without(robot_id, now, left=False)
        return effects + self._close_if_complete(now)

    def _without(self, robot_id: str, now: float, *, left: bool) -> list[Effect]:
        """Wait no longer for a robot that is not there."""
        if self.open_round and robot_id in self.open_round.participants:
            self.open_round.silent.add(robot_id)
        return self._speech.gone(robot_id, self.round, now, left=left)

    # --- rounds ---------------------------------------------------------------------------------

    def _open_if_possible(self, now: float) -> list[Effect]:
        if self.state is not AggregatorState.GATHERING:
            return []
        available = self.roster.available()
        needed = max(1, self._settings.quorum)
        if not self._started and len(available) < max(needed, self._settings.robots):
            return []
        statuses = self.roster.statuses()
        eligible = self._selector.eligible({i: statuses[i] for i in available})
        if len(eligible) < needed:
            few = f'{len(eligible)} of {len(available)} robots may be asked, {needed} are needed'
            return (
                [do.Warn('eligible', f'{few}: see {FILTERS}')] if len(available) >= needed else []
            )
        if not self._started and self._settings.settle:
            # The first round opens a while after the last robot has come.
            settling, self._settling = self._settling, True
            return [] if settling else [do.SetTimer(_START, self._settings.settle)]
        self._started = True
        self.go('enough robots')
        self.round += 1
        asked = self._selector.ask(eligible, self.round)
        patience = self._selector.patience(asked, self.round)
        self.open_round = OpenRound(self.round, self.version, asked, now, patience)
        for robot_id in asked:
            # It may have trained for this round already, if the aggregator started again.
            self.open_round.add_status(statuses[robot_id], now)
        self._deadline_at = now + self._settings.deadline
        return [
            do.CancelTimer(_START),
            do.SetTimer(_DEADLINE, self._settings.deadline),
            do.SetTimer(_REPAIR, FIRST_DELAY),
            self._plan(now),
            do.Record({'kind': 'open', 'round': self.round, 'participants': asked}),
        ]

    def _limits_changed(self, event: events.LimitsChanged, now: float) -> list[Effect]:
        """Let this round and the next ones have other limits."""
        self._settings = dataclasses.replace(
            self._settings, deadline=event.deadline, quorum=event.quorum
        )
        self._speech.limits(self._settings)
        self._selector.need(event.quorum)
        said: Effect = do.Say(
            f'rounds last {event.deadline:g} s at most, and close with '
            f'{f"{event.quorum} updates" if event.quorum else "the updates of all"}; '
            f'{len(self.roster.available())} robots can be asked'
        )
        if self.open_round is None:
            return [said, *self._open_if_possible(now)]
        self._deadline_at = self.open_round.opened + event.deadline
        left = max(0.0, self._deadline_at - now)
        closed = self._close_if_complete(now)
        return [said, *(closed or [do.SetTimer(_DEADLINE, left), self._plan(now)])]

    def _close_if_complete(self, now: float) -> list[Effect]:
        if self.open_round is None or not self.open_round.complete(self._settings.quorum):
            return []
        return self._close(now)

    def _close(self, now: float) -> list[Effect]:
        closed, self.open_round = self.open_round, None
        assert closed is not None
        for robot_id in closed.late():
            self.endpoint.refusals.add(robot_id, 'late')
            self.roster.missed[robot_id] += 1
        records = records_of(closed, self._selector.timing, now)
        self._selector.observe(records)
        self._rows[closed.number] = row_of(closed, records, self.traffic, now)
        self.go('quorum or deadline' if closed.accepted else 'no updates')
        job = do.StartJob(Aggregate(closed.number, closed.updates()))
        after = job if closed.accepted else self._save()
        return [do.CancelTimer(_DEADLINE), do.CancelTimer(_REPAIR), after]

    def _aggregated(self, job: Aggregate, tensors: Tensors) -> list[Effect]:
        self.go('aggregated')
        self.version += 1
        self._history.add(tensors, round=job.round, model_version=self.version)
        return [self._save()]

    def _save(self) -> do.SaveCheckpoint:
        sets, tensors = self._history.state()
        manifest = {
            'run_name': self._settings.name,
            'run_id': self.info.run_id,
            'constants': self.info.constants(),
            'epoch': self.info.epoch,
            'round': self.round,
            'model_version': self.version,
            'sets': sets,
            'row': self._rows.get(self.round),
            'traffic': self.traffic.state(),
            **({'selector': self._selector.state()} if self._selector.chooses else {}),
        }
        return do.SaveCheckpoint(self.round, manifest, tensors)

    def _saved(self, now: float) -> list[Effect]:
        last = self.round >= self._settings.rounds
        self.go('last round saved' if last else 'saved')
        effects = self._send_newest(now) if self._fresh else []
        evaluate = self._evaluate()  # of this round, while the robots are busy with the next
        if last:
            return [*effects, self._plan(now), evaluate, *self._finish(now)]
        opened = self._open_if_possible(now)
        return [*effects, *(opened or [self._plan(now)]), evaluate]

    def _evaluate(self) -> Effect:
        tensors = self._history.newest_tensors() if self._fresh else {}
        self._measuring.add(self.round)
        return do.StartJob(Evaluate(self.round, self.version, tensors))

    @property
    def _fresh(self) -> bool:
        """True if the newest tensors came out of the newest round."""
        return self._history.newest.labels['round'] == self.round

    def _evaluated(self, job: Evaluate, accuracy: float, now: float) -> list[Effect]:
        self._measuring.discard(job.round)
        row = self._rows.pop(job.round, None)
        if row is None:  # a restart measures a round again whose row is on disk already
            return self._end_if_done(now)
        row |= {'accuracy': accuracy, 'model_version': job.model_version}
        report = do.Publish(report_of(row, self.info.run_id, now))
        robots = [{'kind': 'robot', 'round': job.round, **robot} for robot in row.pop('robots')]
        samples = [status.samples for status in self.roster.statuses().values()]
        said = self._speech.round_over(row, samples)
        return [*map(do.Record, [*robots, row]), report, *said, *self._end_if_done(now)]

    def _finish(self, now: float) -> list[Effect]:
        self._finished_at = now
        return self._end_if_done(now)

    def _end_if_done(self, now: float) -> list[Effect]:
        """End once everything is measured and the robots have the result, or are too slow."""
        if self._finished_at is None or self._over or self._measuring:
            return []
        if self.roster.unfinished() and now < self._finished_at + self._settings.deadline:
            return []
        self._over = True
        end = do.Record({'kind': 'end', **self.traffic.totals(self.info.rounds)})
        return [end, do.RunEnded(self._speech.problem(self.version))]

    # --- sending --------------------------------------------------------------------------------

    def _send_newest(self, now: float) -> list[Effect]:
        newest = self._history.newest
        return self.endpoint.send(messages.GlobalChunk, newest, now) if newest.specs else []

    def _plan(self, now: float) -> do.Publish:
        self._plan_sequence += 1
        round_, newest = self.open_round, self._history.newest
        return do.Publish(
            messages.RoundPlan(
                stamp=now,
                run_id=self.info.run_id,
                epoch=self.info.epoch,
                sequence=self._plan_sequence,
                state=PLAN_STATES[self.state],
                round=self.round,
                model_version=self.version,
                model_digest=newest.digest if newest.specs else NO_DIGEST,
                participants=round_.participants if round_ else (),
                accepted=tuple(sorted(round_.accepted)) if round_ else (),
                time_left=max(0.0, self._deadline_at - now) if round_ else 0.0,
            )
        )
