"""A robot of a Tram-FL fleet, as a state machine without I/O.

It has a machine for every token (`token.token_machine`); this file shares messages, timers and
the worker among them, says what the robot is doing, and ends the run.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from iot_fl_ros.core import effects as do
from iot_fl_ros.core import events
from iot_fl_ros.core.effects import Effect
from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages import token as messages
from iot_fl_ros.core.messages.chunks import ChunkRequest
from iot_fl_ros.core.messages.token import TramState
from iot_fl_ros.exchange.endpoint import Endpoint
from iot_fl_ros.exchange.waiting import Waiting
from iot_fl_ros.token.acceptor import Acceptor, Recovery
from iot_fl_ros.token.context import NodeContext, TramRoster
from iot_fl_ros.token.jobs import KeepPromise, KeepToken, Merge, Prepare, Prepared, Visit, Visited
from iot_fl_ros.token.routing import Site
from iot_fl_ros.token.settings import TramNodeSettings
from iot_fl_ros.token.states import Place
from iot_fl_ros.token.token import Token
from iot_fl_ros.token.token_machine import TokenMachine
from iot_fl_ros.training.energy import Joules, joules_of

_HEARTBEAT = 'heartbeat'
# Leases for which a robot that is done goes on telling so.
_FAREWELL_LEASES = 2


class NodeMachine:
    """One robot. `handle` is the only entry; it never blocks and never raises on remote input."""

    def __init__(self, robot_id: str, settings: TramNodeSettings) -> None:
        robots = tuple(settings.tram.ids)
        lease = settings.run.lease
        self.robot_id = robot_id
        self.endpoint = Endpoint(robot_id)
        self.context = NodeContext(
            self.endpoint,
            settings,
            Acceptor(settings.tram.tokens, lease, settings.tram.give_up),
            TramRoster(robot_id, robots, lease),
            Recovery(robot_id, robots, lease),
        )
        self.reason = ''
        self.tokens: list[TokenMachine] = []
        self._settings = settings
        self._refused = self._over = False
        self._waiting = Waiting()
        self._elapsed = self._beaten_at = self._now = 0.0
        self._done_at: float | None = None

    @property
    def state(self) -> TramState:
        """State of the robot, for its status."""
        if self._refused:
            return TramState.REFUSED
        places = {token.place for token in self.tokens}
        if not places:
            return TramState.PREPARING
        if places == {Place.FINISHED}:
            return TramState.FINISHED
        if Place.TRAINING in places:
            return TramState.TRAINING
        return TramState.OFFERING if Place.OFFERING in places else TramState.READY

    @property
    def accuracy(self) -> float:
        """Test accuracy of the model that it last tested, NaN = none."""
        return self.context.accuracy

    def joules(self, now: float) -> Joules:
        """Return the energy since the start."""
        elapsed, training = self._elapsed + self._since_beat(now), self.context.train_seconds
        counts = self.endpoint.byte_counts()
        return joules_of(self._settings.energy, elapsed=elapsed, training=training, **counts)

    def _since_beat(self, now: float) -> float:
        """Return the time since the last heartbeat, whatever was done to the clock meanwhile."""
        return min(max(0.0, now - self._beaten_at), 2 * self._settings.run.heartbeat)

    def missing(self) -> list[str]:
        """Return the robots of the fleet that are not heard."""
        here = {self.robot_id, *self.context.roster.present(self._now)}
        return [robot_id for robot_id in self.context.roster.robots if robot_id not in here]

    def start(self, now: float) -> list[Effect]:
        """Begin: load data and model."""
        self._beaten_at = now
        return [do.StartJob(Prepare()), do.SetTimer(_HEARTBEAT, self._settings.run.heartbeat)]

    def handle(self, event: events.Event, now: float) -> list[Effect]:
        """Take one event; return what to do about it."""
        self._now = now
        effects = self._handle(event, now)
        return effects + self._use_worker(now)

    def _handle(self, event: events.Event, now: float) -> list[Effect]:
        match event:
            case events.MessageArrived():
                return self.endpoint.take(event, lambda message: self._message(message, now))
            case events.BadMessage():
                return self.endpoint.bad(event)
            case events.TimerFired(name):
                return self._timer(name, now)
            case events.JobDone(Prepare(), Prepared() as result):
                return self._prepared(result, now)
            case events.JobFailed(Prepare(), error):
                self._refused = True
                self.reason = error[:255]
                warn = do.Warn('prepare', f'cannot take part: {error}')
                return [
                    warn,
                    self._status(now),
                    do.RunEnded(f'{self.robot_id} cannot take part: {error}'),
                ]
            case events.JobDone(KeepPromise(claim=claim)):
                machine = self.tokens[claim.token_id]
                held = machine.holds
                effects = machine.promised(claim, now)
                return effects + ([self._status(now)] if machine.holds != held else [])
            case events.JobFailed(KeepPromise(claim=claim), error):
                warn = do.Warn('disk', f'a promise is not on disk, so it is not made: {error}')
                return [warn, *self.tokens[claim.token_id].not_promised(claim, now)]
            case events.JobDone(KeepToken(token)):
                return self.tokens[token.token_id].kept(token, now)
            case events.JobFailed(KeepToken(token), error):
                return self.tokens[token.token_id].not_kept(token, error, now)
            case events.JobDone(Visit(token), result):
                return self._visited(self.tokens[token.token_id], result, now)
            case events.JobFailed(Visit(token) as job, error):
                return self.tokens[token.token_id].failed(job, error)
            case events.JobDone(Merge() as job, result):
                return self._merged(job, result, now)
            case events.JobFailed(Merge() as job, error):
                warn = do.Warn('merge', f'tokens were not merged: {error}')
                return [warn, *self.tokens[job.first.token_id].keep()]
            case events.Leave():
                return [self._status(now, TramState.LEAVING)] if self.endpoint.run_id else []
        return []

    # --- messages -------------------------------------------------------------------------------

    def _message(self, message: Any, now: float) -> list[Effect]:
        if not self.tokens:
            return []
        sender = message.sender
        if sender not in self.context.roster.robots:
            raise MessageError('not of the fleet', f'{sender!r} is not in tram.robots')
        match message:
            case messages.TramStatus(state=TramState.REFUSED, reason=reason):
                return [do.Warn(f'{sender} refused', f'{sender} cannot take part: {reason}')]
        self.endpoint.check_run(message, 'settings or data differ')
        match message:
            case messages.TramStatus():
                return self._heard(message, now)
            case messages.TokenOffer() if message.receiver_id == self.robot_id:
                return self._token(message.token_id).offered(message, now)
            case messages.TokenChunk():
                return self._token(message.token_id).chunk(message)
            case messages.TokenClaim():
                return self._token(message.token_id).claimed(message, now)
            case messages.TokenVote():
                return self._token(message.token_id).voted(message, now)
            case ChunkRequest() if message.receiver_id == self.robot_id:
                return [one for machine in self.tokens for one in machine.asked(message, now)]
        return []

    def _token(self, token_id: int) -> TokenMachine:
        if token_id >= len(self.tokens):
            raise MessageError('no such token', f'token {token_id} of {len(self.tokens)}')
        return self.tokens[token_id]

    def _heard(self, status: messages.TramStatus, now: float) -> list[Effect]:
        if len(status.token_states) != len(self.tokens):
            raise MessageError('bad length', f'{len(status.token_states)} tokens, not as here')
        self.context.roster.meet(status, now)
        self.context.recollect(status, now)
        return [effect for machine in self.tokens for effect in machine.heard(status, now)]

    # --- jobs -----------------------------------------------------------------------------------

    def _prepared(self, result: Prepared, now: float) -> list[Effect]:
        node = self.context
        self.endpoint.run_id, node.specs = result.run_id, result.specs
        node.site = Site(result.class_counts)
        if result.promises is not None:
            node.acceptor.promises = list(result.promises)
        node.acceptor.start(now)
        node.recovery.start(now, remembers=result.promises is not None)
        robots = node.roster.robots
        for token in result.tokens:
            starter = robots[token.token_id * len(robots) // len(result.tokens)]
            self.tokens.append(TokenMachine(token, node, starter))
        said = do.Say(
            f'takes part in {result.run_id}: {len(result.tokens)} tokens, {len(robots)} robots; '
            f'{sum(result.class_counts)} private samples'
        )
        return [do.Subscribe(messages.TokenChunk, (self.robot_id,)), self._status(now), said]

    def _visited(self, machine: TokenMachine, result: Visited, now: float) -> list[Effect]:
        node = self.context
        node.train_seconds += result.seconds
        node.loss = result.loss
        node.updates = max(node.updates, result.token.log.updates)
        batches = result.token.log.updates - machine.token.log.updates
        if batches > 0:
            node.site = dataclasses.replace(node.site, batch_seconds=result.seconds / batches)
        if result.accuracy == result.accuracy:
            node.accuracy = result.accuracy
        effects = machine.visited(result, now)
        return effects + self._merge_or_keep(machine)

    @property
    def _may_merge(self) -> bool:
        """True if a trained token may be merged with one that waits: that one has to wait on."""
        saving = any(machine.place is Place.SAVING for machine in self.tokens)
        return self._settings.tram.merge and saving

    def _merge_or_keep(self, trained: TokenMachine) -> list[Effect]:
        """Merge a token that was just trained with one that waits; keep it on disk after that."""
        waiting = next((one for one in self.tokens if one.place is Place.WAITING), None)
        if trained.place is not Place.SAVING or waiting is None or not self._may_merge:
            return trained.keep()
        if any(one.token.log.phase != messages.TokenPhase.TRAINING for one in (trained, waiting)):
            return trained.keep()
        return [do.StartJob(Merge(trained.token, waiting.token))]

    def _merged(self, job: Merge, result: tuple[Token, Token], now: float) -> list[Effect]:
        """Take two merged tokens, unless one of them went on meanwhile."""
        first, second = (self.tokens[token.token_id] for token in (job.first, job.second))
        met = first.place is Place.SAVING and first.token is job.first
        if not met or second.place is not Place.WAITING or second.token is not job.second:
            return first.keep()
        first.token, second.token = result
        row = self.context.row('merged', first.token_id, now, other=second.token_id)
        return [row, *first.keep()]

    def _use_worker(self, now: float) -> list[Effect]:
        """Let a token that waits be trained, one at a time."""
        if self._may_merge or any(one.place is Place.TRAINING for one in self.tokens):
            return []
        effects: list[Effect] = []
        for machine in self.tokens:
            if machine.place is Place.WAITING:
                effects += [*machine.proceed(now), self._status(now)]
                if machine.place is Place.TRAINING:
                    break
        return effects

    # --- timers and statuses --------------------------------------------------------------------

    def _timer(self, name: str, now: float) -> list[Effect]:
        if name == _HEARTBEAT:
            return self._beat(now)
        kind, token_id = name.split()
        return self.tokens[int(token_id)].timer(kind, now)

    def _beat(self, now: float) -> list[Effect]:
        effects: list[Effect] = [do.SetTimer(_HEARTBEAT, self._settings.run.heartbeat)]
        self._elapsed += self._since_beat(now)
        self._beaten_at = now
        if self._refused:
            return [*effects, self._status(now)]
        if not self.endpoint.run_id:
            return effects
        for machine in self.tokens:
            effects += machine.beat(now)
        waits = self._waiting.look(*self._waits_for(now), now)
        return [*effects, self._status(now), *waits, *self._end_if_done(now)]

    def _waits_for(self, now: float) -> tuple[str, str]:
        """Return the kind of what the robot waits for, and its words; '' = for nothing."""
        node = self.context
        missing = ', '.join(self.missing())
        if len(node.roster.present(now)) + 1 < node.roster.majority:
            return 'majority', f'more than half of the robots; {missing} are not heard'
        lost = [
            machine
            for machine in self.tokens
            if machine.place is Place.ELSEWHERE and not node.acceptor.alive(machine.token_id, now)
        ]
        if not lost:
            return '', ''
        if not any(node.acceptor.promises[machine.token_id].fence for machine in lost):
            return 'start', f'all robots to begin; {missing} are not heard'
        holders = {node.acceptor.promises[machine.token_id].holder or '?' for machine in lost}
        return 'token', (
            f'the newest copy of a token, last held by {", ".join(sorted(holders))} '
            '(tram.give_up allows an older one)'
        )

    def _end_if_done(self, now: float) -> list[Effect]:
        """End once the others know that all tokens are finished, or had time enough to."""
        if self._over:
            return []
        if self.state != TramState.FINISHED:
            self._done_at = None
            return []
        if self._done_at is None:
            self._done_at = now
            return []
        waited = now - self._done_at
        lease = self._settings.run.lease
        if not self.context.roster.done(now) and waited < _FAREWELL_LEASES * lease:
            return []
        self._over = True
        return [self._last_row(now), do.RunEnded()]

    def _last_row(self, now: float) -> do.Record:
        return do.Record(
            {
                'kind': 'totals',
                'robot': self.robot_id,
                'time': now,
                'train_seconds': self.context.train_seconds,
                **self.endpoint.byte_counts(),
                'joules': dataclasses.asdict(self.joules(now)),
            }
        )

    def _status(self, now: float, state: TramState | None = None) -> Effect:
        node, head = self.context, self.endpoint.status_head(now)
        made = node.acceptor.promises[: len(self.tokens)]  # none if it cannot take part
        return do.Publish(
            messages.TramStatus(
                **{**head, 'run_id': head['run_id'] or self._settings.run.name},
                state=self.state if state is None else state,
                reason=self.reason,
                class_counts=node.site.class_counts,
                token_states=tuple(machine.state for machine in self.tokens),
                promised=tuple(promise.number for promise in made),
                fences=tuple(
                    machine.fence if machine.holds else made[machine.token_id].fence
                    for machine in self.tokens
                ),
                bases=tuple(promise.base for promise in made),
                batch_seconds=node.site.batch_seconds,
                link_rate=node.site.link_rate,
                updates=node.updates,
                loss=node.loss,
                accuracy=node.accuracy,
                train_seconds=node.train_seconds,
                joules=self.joules(now).total,
            )
        )
