"""A peer of a mesh without a server, as a state machine without I/O.

States and transitions: `mesh.states`. In every round a peer trains on its worker, announces
its update, publishes it on a topic of its own, and mixes it with those of its neighbours as soon
as they are in or the deadline is over. Who is silent is not waited for, and is in again when it
comes back. Repair is driven by the receiver, as between robots and an aggregator.
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
from iot_fl_ros.core.messages.chunks import ChunkRequest
from iot_fl_ros.core.messages.federation import RunInfo
from iot_fl_ros.core.messages.mesh import PeerChunk, PeerState, PeerStatus
from iot_fl_ros.exchange.endpoint import Endpoint
from iot_fl_ros.exchange.inbox import FIRST_DELAY
from iot_fl_ros.exchange.waiting import Waiting
from iot_fl_ros.mesh.graph import mixing_weights
from iot_fl_ros.mesh.jobs import Mix, Mixed, PeerReady, PeerTrained, PreparePeer, TrainPeer
from iot_fl_ros.mesh.neighbourhood import Neighbourhood
from iot_fl_ros.mesh.report import end_row, round_row
from iot_fl_ros.mesh.rounds import PeerRounds, Updates
from iot_fl_ros.mesh.settings import MeshSettings, PeerRunSettings
from iot_fl_ros.mesh.states import PEER_TABLE
from iot_fl_ros.methods.contract import sendable_loss
from iot_fl_ros.training.energy import EnergySettings, Joules, joules_of

_HEARTBEAT = 'heartbeat'
_START = 'start'
_DEADLINE = 'deadline'
_REPAIR = 'repair'
_FAREWELL = 'farewell'


class PeerMachine(Tracker[PeerState]):
    """One peer. `handle` is the only entry; it never blocks and never raises on remote input."""

    def __init__(
        self, robot_id: str, run: PeerRunSettings, mesh: MeshSettings, energy: EnergySettings
    ) -> None:
        super().__init__(PEER_TABLE, PeerState.PREPARING)
        self.robot_id = robot_id
        self.endpoint = Endpoint(robot_id)
        self.near = Neighbourhood(run.lease, discovers=mesh.graph == 'discovery')
        self.info: RunInfo | None = None
        self.round = self._last = self._samples = 0
        self.accuracy = self.disagreement = math.nan
        self.reason = ''
        self._run, self._mesh, self._energy = run, mesh, energy
        self._rounds: PeerRounds
        self._exchanges = True
        self._eps = 0.0
        self._heard: tuple[str, ...] = ()
        self._updates = Updates()
        self._started = self._computing = 0.0
        self._own: PeerTrained | None = None
        self._since = self._opened = 0.0  # of the state, of the round
        self._round_train = self._round_wait = 0.0
        self._may_start = self._late = self._ended = False
        self._waiting = Waiting()
        self._achieved, self._failure = False, 'it had no round'

    def start(self, now: float) -> list[Effect]:
        """Begin: load everything, and keep saying so."""
        self._started = self._since = now
        return [do.StartJob(PreparePeer()), *self._beat(now)]

    def handle(self, event: events.Event, now: float) -> list[Effect]:
        """Take one event; return what to do about it."""
        match event:
            case events.MessageArrived():
                return self.endpoint.take(event, lambda message: self._message(message, now))
            case events.BadMessage():
                return self.endpoint.bad(event)
            case events.TimerFired(name):
                return self._timer(name, now)
            case events.PeersChanged():
                return self._look_around(now)
            case events.GraphChanged(neighbours, eps):
                return self._graph_changed(neighbours, eps, now)
            case events.Leave():
                return [self._status(now, PeerState.LEAVING)]
            case events.JobDone(PreparePeer(), result):
                return self._prepared(result, now)
            case events.JobDone(TrainPeer(), result):
                return self._trained(result, now)
            case events.JobDone(Mix(), result):
                return self._mixed(result, now)
            case events.JobFailed(PreparePeer(), error):
                self.go('cannot take part')
                self.reason = error[:255]
                text = f'{self.robot_id} cannot take part: {error}'
                return [do.Warn('prepare', text), self._status(now), do.RunEnded(text)]
            case events.JobFailed(TrainPeer(), error):
                self._failure = f'training failed: {error}'
                warn = do.Warn('training', self._failure)
                return [warn, *self._trained(None, now)]
            case events.JobFailed(Mix(), error):
                warn = do.Warn('mixing', f'mixing failed: {error}')
                return [warn, *self._mixed(Mixed(math.nan, math.nan), now)]
            case events.CheckpointSaved():
                return self._saved(now)
            case events.JobFailed(do.SaveCheckpoint(), error):
                return [do.Warn('checkpoint', f'checkpoint not saved: {error}'), *self._saved(now)]
        return []

    # --- messages -------------------------------------------------------------------------------

    def _message(self, message: Any, now: float) -> list[Effect]:
        if self.info is None or self.state is PeerState.REFUSED:
            return []  # statuses come again, and chunks are asked for
        match message:
            case PeerStatus():
                return self._peer_status(message, now)
            case PeerChunk():
                return self._chunk(message, now)
            case ChunkRequest() if message.receiver_id == self.robot_id:
                kept = self._updates.kept
                return self.endpoint.answer(message, PeerChunk, kept, now, to=self.robot_id)
        return []

    def _peer_status(self, status: PeerStatus, now: float) -> list[Effect]:
        if status.run_id.rpartition('-')[0] != self._run.name:
            return []  # another mesh, or not prepared yet
        hint = 'make method, seed, rounds, classes, open set and mesh.weights the same on both'
        self.endpoint.check_run(status, hint)
        if status.round > self._last:
            raise MessageError('wrong round', f'round {status.round} of {self._last}')
        near = self.near.meet(status, now)
        effects = self._follow()
        if near and self._exchanges:
            self._rounds.add_status(status, now)
        return [*effects, *self._advance(now)]

    def _chunk(self, chunk: PeerChunk, now: float) -> list[Effect]:
        self.endpoint.check_run(chunk)
        if self.state is not PeerState.FINISHED:
            self._rounds.add_chunk(chunk, now)
        return self._advance(now)

    # --- who is there ---------------------------------------------------------------------------

    def _timer(self, name: str, now: float) -> list[Effect]:
        if name == _HEARTBEAT:
            return [*self._look_around(now), *self._beat(now)]
        if name == _REPAIR:
            return self._ask_again(now)
        if name == _START:
            self._may_start = True
        elif name == _DEADLINE:
            self._late = True
        elif name == _FAREWELL and self.state is PeerState.FINISHED:
            return self._end()
        return self._advance(now)

    def _look_around(self, now: float) -> list[Effect]:
        if self.info is None or self.state is PeerState.REFUSED:
            return []
        self.near.drop_silent(now)
        return [*self._follow(), *self._advance(now)]

    def _graph_changed(self, neighbours: tuple[str, ...], eps: float, now: float) -> list[Effect]:
        if self.info is None or self.state is PeerState.REFUSED:
            return []
        self.near.set(tuple(i for i in neighbours if i != self.robot_id))
        self._eps = eps
        return [*self._follow(), *self._advance(now)]

    def _follow(self) -> list[Effect]:
        """Let the open rounds see who is there; hear the updates of the neighbours alone."""
        live = self.near.statuses() if self._exchanges else {}
        self._rounds.follow(self.near.neighbours if self._exchanges else (), live)
        if self.near.neighbours == self._heard:
            return []
        self._heard = self.near.neighbours
        return [do.Subscribe(PeerChunk, self._heard)]

    # --- progress -------------------------------------------------------------------------------

    def _advance(self, now: float) -> list[Effect]:
        """Do whatever the neighbours allow."""
        live = self.near.statuses()
        if self.state is PeerState.READY:
            # Who discovers others knows at most how many there are.
            known = self._mesh.ids if self.near.discovers else [*self.near.neighbours, '']
            if self._may_start or (known and len(live) >= len(known) - 1):
                return self._begin(self._next_round(), 'neighbours heard or timeout', now)
        elif self.state is PeerState.EXCHANGING:
            if self._late or not self._exchanges or self._rounds[self.round].all_in():
                return self._mix(now)
        elif self.state is PeerState.FINISHED and self._nobody_needs_it(live, now):
            return self._end()
        return []

    def _nobody_needs_it(self, live: Mapping[str, PeerStatus], now: float) -> bool:
        """Return whether all neighbours have finished, as far as they can have been heard."""
        if len(live) < len(self.near.neighbours) and now - self._started <= self._run.lease:
            return False
        return all(status.state == PeerState.FINISHED for status in live.values())

    def _next_round(self) -> int:
        """Return the round after this one, or the one where the neighbours are by now."""
        live = self.near.statuses().values() if self._exchanges else ()
        others = [status.round for status in live]
        return max(self.round + 1, min([self._last, *others]) if others else 0)

    def _begin(self, round: int, trigger: str, now: float) -> list[Effect]:
        self.go(trigger)
        self.round, self._opened, self._since = round, now, now
        self._rounds.open(round, self.near.neighbours, now)
        effects = self._follow()
        for status in self.near.statuses().values() if self._exchanges else ():
            try:
                self._rounds.add_status(status, now)
            except MessageError as error:
                effects.append(self.endpoint.refuse(status.robot_id, error.reason, str(error)))
        return [*effects, do.CancelTimer(_START), do.StartJob(TrainPeer(round))]

    def _trained(self, result: PeerTrained | None, now: float) -> list[Effect]:
        self.go('trained' if result else 'training failed')
        warnings: list[Effect] = []
        if result:
            loss, warnings = sendable_loss(result.loss, self.round)
            result = dataclasses.replace(result, loss=loss)
            self._achieved = True
        self._round_train = now - self._since
        self._computing += self._round_train
        self._since = now
        self._own, self._late = result, False
        self._updates.put(self.round, result.update if result and self._exchanges else None)
        return [
            *warnings,
            self._status(now),
            *self._send_newest(now),
            do.SetTimer(_DEADLINE, self._run.deadline),
            do.SetTimer(_REPAIR, FIRST_DELAY),
            *self._advance(now),
        ]

    def _mix(self, now: float) -> list[Effect]:
        self.go('updates in or deadline')
        self._round_wait, self._since = now - self._since, now
        one = self._rounds[self.round]
        received = {update.robot_id: update.tensors for update in one.updates()}
        degrees = self.near.degrees(len(self.near.neighbours))
        arrived = [i for i in received if i in degrees]
        weights = mixing_weights(
            self.robot_id, degrees, arrived, self._mesh.weights, self._mesh.eps or self._eps
        )
        own = self._own.update if self._own else {}
        job = Mix(self.round, own, {i: received[i] for i in arrived}, weights)
        return [do.CancelTimer(_DEADLINE), do.CancelTimer(_REPAIR), do.StartJob(job)]

    def _mixed(self, result: Mixed, now: float) -> list[Effect]:
        self._computing += now - self._since
        self.accuracy, self.disagreement = result.accuracy, result.disagreement
        effects: list[Effect] = [do.Warn('graph', result.warning)] if result.warning else []
        row = self._row(now)
        effects += [do.Record(row), do.Say(self._round_text(row))]
        if result.links is not None:
            effects += self._graph_changed(result.links.neighbours, result.links.eps, now)
        manifest = {'run_id': self.endpoint.run_id, 'round': self.round}
        update = self._own.update if self._own else {}
        return [*effects, do.SaveCheckpoint(self.round, manifest, update)]

    def _saved(self, now: float) -> list[Effect]:
        if self.round < self._last:
            return self._begin(self._next_round(), 'saved', now)
        self.go('last round saved')
        return self._finished(now)

    def _finished(self, now: float) -> list[Effect]:
        return [self._status(now), do.SetTimer(_FAREWELL, self._run.deadline), *self._advance(now)]

    def _end(self) -> list[Effect]:
        if self._ended:
            return []
        self._ended = True
        sent, received = self.endpoint.bytes_sent, self.endpoint.bytes_received
        end = do.Record(end_row(self.robot_id, self.round, sent, received))
        problem = '' if self._achieved else f'{self.robot_id} never trained: {self._failure}'
        return [end, do.RunEnded(problem)]

    def _prepared(self, ready: PeerReady, now: float) -> list[Effect]:
        self.info, self._samples, self._eps = ready.info, ready.samples, ready.links.eps
        self.endpoint.run_id, self._last = ready.info.run_id, ready.info.rounds
        self._exchanges = bool(ready.method.update_specs(1))
        self._rounds = PeerRounds(ready.method, self._last)
        self.near.set(ready.links.neighbours)
        effects: list[Effect] = [do.Warn('graph', ready.warning)] if ready.warning else []
        patience = self._run.start_timeout
        if ready.manifest is not None:
            patience = self._run.lease  # whoever is there has been there
            self.round = int(ready.manifest['round'])
            self._achieved = self.round > 0
            self._updates.put(self.round, ready.update or None)
        effects.append(
            do.Say(
                f'takes part in {ready.info.run_id}: {ready.info.method}, {self._last} rounds; '
                f'{ready.samples} private samples; neighbours '
                f'{", ".join(ready.links.neighbours) or "are discovered"}'
            )
        )
        if self.round:
            effects.append(do.Say(f'goes on after round {self.round} of {self._last}'))
        begin = {'kind': 'start', 'round': self.round, 'run_id': ready.info.run_id, 'time': now}
        effects.append(do.Record({**begin, 'neighbours': list(ready.links.neighbours)}))
        if self.round >= self._last:
            self.go('prepared after the last round')
            return [*effects, *self._finished(now)]
        self.go('prepared')
        self._rounds.open(self.round + 1, self.near.neighbours, now)
        return [
            *effects,
            do.PreparePublisher(PeerChunk, (self.robot_id,)),
            *self._follow(),
            do.SetTimer(_START, patience),
            self._status(now),
            *self._advance(now),
        ]

    # --- sending --------------------------------------------------------------------------------

    def _beat(self, now: float) -> list[Effect]:
        waits = self._waiting.look(*self._waits_for(), now)
        return [do.SetTimer(_HEARTBEAT, self._run.heartbeat), self._status(now), *waits]

    def _waits_for(self) -> tuple[str, str]:
        """Return the kind of what the peer waits for, and its words; '' = for nothing."""
        if self.state is PeerState.READY:
            missing = [i for i in self.near.neighbours if not self.near.get(i)]
            return 'neighbours', f'neighbours: {", ".join(missing) or "nobody is there"}'
        if self.state is PeerState.EXCHANGING:
            late = ', '.join(self._rounds[self.round].late())
            kind = f'updates {self.round}' if late else ''
            return kind, f'updates of round {self.round} from {late}'
        return '', ''

    def _round_text(self, row: Mapping[str, Any]) -> str:
        accuracy = row['accuracy']
        known = '' if math.isnan(accuracy) else f'accuracy {accuracy:.1%}, '
        others = [f'{len(row[name])} {name}' for name in ('late', 'silent') if row[name]]
        took = f'{len(row["participants"]) - 1} neighbours took part'
        return f'round {self.round} of {self._last}: {known}{", ".join([took, *others])}'

    def _ask_again(self, now: float) -> list[Effect]:
        """Ask for updates that were announced and stopped arriving."""
        if self.state is not PeerState.EXCHANGING:
            return []
        wanted = self._rounds[self.round].wanted(now)
        requests = [self.endpoint.request(*one, now) for one in wanted]
        return [*requests, do.SetTimer(_REPAIR, FIRST_DELAY)]

    def _send_newest(self, now: float) -> list[Effect]:
        """Publish the update that is announced; nothing if there is none."""
        newest = self._updates.newest
        return self.endpoint.send(PeerChunk, newest, now, to=self.robot_id) if newest else []

    def _joules(self, now: float) -> Joules:
        elapsed, counts = max(0.0, now - self._started), self.endpoint.byte_counts()
        return joules_of(self._energy, elapsed=elapsed, training=self._computing, **counts)

    def _row(self, now: float) -> dict[str, Any]:
        return round_row(
            self._rounds[self.round],
            self.robot_id,
            self._joules(now),
            self.endpoint.bytes_sent,
            self.endpoint.bytes_received,
            accuracy=self.accuracy,
            robot_accuracy=self.accuracy,
            loss=self._own.loss if self._own else math.nan,
            disagreement=self.disagreement,
            seconds=now - self._opened,
            train_seconds=self._round_train,
            wait_seconds=self._round_wait,
            time=now,
        )

    def _status(self, now: float, state: PeerState | None = None) -> do.Publish:
        return do.Publish(
            PeerStatus(
                **self.endpoint.status_head(now),
                state=self.state if state is None else state,
                reason=self.reason,
                round=self._updates.round,
                update_digest=self._updates.digest,
                neighbours=self.near.neighbours,
                samples=self._samples,
                loss=self._own.loss if self._own else math.nan,
                accuracy=self.accuracy,
                disagreement=self.disagreement,
                train_seconds=self._round_train,
                wait_seconds=self._round_wait,
                joules=self._joules(now).total,
            )
        )
