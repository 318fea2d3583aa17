"""A recorded federation played back through the aggregator's machine and worker.

What depended on the moment (whom a round asked, who was accepted) is taken from the recorded plans
and reports; what was computed is computed again by the method's own code. To aggregate needs no
data. Without any, the aggregator's model adopts what came out (methods that average weights need
that), but neither learns from the open set nor is measured.
"""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from typing_extensions import assert_never

from iot_fl_ros.bag.federation import Federation, RecordedRound
from iot_fl_ros.core.effects import (
    Answered,
    CancelTimer,
    Effect,
    PreparePublisher,
    Publish,
    PublishPackets,
    Record,
    RunEnded,
    SaveCheckpoint,
    Say,
    SetTimer,
    StartJob,
    Subscribe,
    Warn,
)
from iot_fl_ros.core.errors import ConfigError, DataError, IotFlError
from iot_fl_ros.core.events import (
    CheckpointSaved,
    Event,
    JobDone,
    JobFailed,
    MessageArrived,
    TimerFired,
)
from iot_fl_ros.core.messages.federation import AGGREGATOR, RobotState, RobotStatus, RunInfo
from iot_fl_ros.core.tensors import Tensors
from iot_fl_ros.data.samples import Samples
from iot_fl_ros.federation.aggregator import AggregatorMachine
from iot_fl_ros.federation.jobs import Aggregate, Evaluate
from iot_fl_ros.federation.selection.selector import ParticipantSelector
from iot_fl_ros.federation.selection.settings import ASK_ALL
from iot_fl_ros.federation.settings import AggregatorSettings, RunSettings
from iot_fl_ros.federation.workers import AggregatorWorker
from iot_fl_ros.methods.method import Participant, StarMethod
from iot_fl_ros.methods.registry import METHODS, method_of
from iot_fl_ros.models.registry import MODELS
from iot_fl_ros.training.preparation import new_trainer
from iot_fl_ros.training.settings import ModelSettings

_DEADLINE = 'deadline'
# What the machine warns of until all participants are there again.
_WAITING = 'eligible'


class ReplayWorker(AggregatorWorker):
    """Does the jobs of the aggregator of a recorded run.

    info: of the run, perhaps with another method. settings: where the data is, None = nowhere.
    trusted: methods and models by dotted path that the bag may name.
    """

    def __init__(
        self, info: RunInfo, settings: AggregatorSettings | None, trusted: Sequence[str] = ()
    ) -> None:
        if info.method == 'single':
            raise ConfigError(
                "the run's method 'single' is called 'alone' today, and its bags cannot be played "
                'back any more: use the release that recorded this one'
            )
        METHODS.check_remote(info.method, trusted)
        MODELS.check_remote(info.model, trusted)
        method = method_of(info)
        if settings is None:
            self._without_data(info, method)
            return
        run = dataclasses.replace(settings.run, seed=info.seed, rounds=info.rounds)
        settings = dataclasses.replace(settings, run=run, model=ModelSettings(info.model))
        super().__init__(settings, info.method, method.settings, None)
        found = self.info
        if found.open_set_size and found.open_set_digest != info.open_set_digest:
            raise DataError(
                f'open set {settings.data.open!r} is not that of the run: --params must name the '
                'same data, sizes and data.seed'
            )
        if (found.class_names, found.input_shape) != (info.class_names, info.input_shape):
            raise DataError(f'test set {settings.data.test!r} is not that of the run')
        self.info, self._method = info, method

    @property
    def method(self) -> StarMethod:
        """The method that aggregates."""
        return self._method

    def _without_data(self, info: RunInfo, method: StarMethod) -> None:
        if hasattr(method.settings, 'aggregator_epochs'):  # on the open set
            method.settings = dataclasses.replace(method.settings, aggregator_epochs=0)
        classes, shape = len(info.class_names), tuple(info.input_shape)
        trainer = new_trainer(info.model, shape, classes, run_seed=info.seed, device='cpu')
        # As large as that of the run, and takes no memory.
        blank = np.broadcast_to(np.zeros((), np.float32), (info.open_set_size, *shape))
        open_set = Samples(blank, None) if info.open_set_size else None
        self._store = None
        self._test = None
        self.participant = Participant(AGGREGATOR, trainer, open_set)
        self._method = method
        self.info = info


@dataclass(frozen=True)
class Outcome:
    """Outcome of a round. digest: of the newest global set; accuracy: NaN = not measured.

    tensors: empty = no update was accepted. refused: why the machine took something not.
    """

    round: int
    accepted: tuple[str, ...]
    digest: bytes
    tensors: Tensors
    accuracy: float
    refused: tuple[str, ...]


class RecordedSelector(ParticipantSelector):
    """Asks in each round the robots that `participants` names, once all of them are there."""

    def __init__(self, seed: int) -> None:
        super().__init__(ASK_ALL, seed, 0)
        self.participants: tuple[str, ...] = ()

    def eligible(self, statuses: Mapping[str, RobotStatus]) -> list[str]:
        """Return the participants, or nobody yet."""
        there = bool(self.participants) and set(self.participants) <= set(statuses)
        return list(self.participants) if there else []

    def ask(self, robot_ids: Sequence[str], round: int) -> list[str]:
        """Return the participants."""
        return sorted(robot_ids)


class Replay:
    """One machine and worker that relive a run round by round.

    exact: an update must be one for the very global set that the round started from.
    """

    def __init__(
        self, federation: Federation, worker: ReplayWorker, *, exact: bool = True
    ) -> None:
        self.worker = worker
        self._exact = exact
        self._federation = federation
        self._selector = RecordedSelector(worker.info.seed)
        last = max((one.number for one in federation.ended), default=1)
        settings = RunSettings(rounds=max(last, worker.info.rounds))
        self.machine = AggregatorMachine(
            settings, worker.info, worker.initial_global(), selector=self._selector
        )
        self._now = 0.0
        self._accuracy = math.nan
        self._tensors: Tensors = {}
        self._warnings: list[str] = []
        self._accepted: list[str] = []
        self._do(self.machine.start(self._now))

    @property
    def initial_digest(self) -> bytes:
        """Digest of the global set before round 1."""
        return self.machine.global_digest

    def play(self, one: RecordedRound, robots: Sequence[str]) -> Outcome:
        """Live through a round in which the updates of `robots` arrive; return what came of it."""
        if one.number != self.machine.round + 1:
            raise DataError(
                f'round {one.number} cannot be played behind round {self.machine.round}: the '
                'rounds between, or their reports, are not in the bag'
            )
        self._accuracy, self._tensors, self._warnings, self._accepted = math.nan, {}, [], []
        self._selector.participants = tuple(sorted({*one.participants, *robots}))
        for robot_id in self._selector.participants:
            if self._open:
                break
            self._hear(self._ready(robot_id, one.number))
        if not self._open:
            raise DataError(f'round {one.number} cannot be opened again')
        self._selector.participants = ()  # the next round opens when it is played
        for robot_id in sorted(robots):
            self._send(one, robot_id)
        if self._open:
            self._tell(TimerFired(_DEADLINE))
        return Outcome(
            one.number, tuple(sorted(self._accepted)), self.machine.global_digest, self._tensors,
            self._accuracy, tuple(self._warnings),
        )  # fmt: skip

    @property
    def _open(self) -> bool:
        return self.machine.open_round is not None

    def _ready(self, robot_id: str, number: int) -> RobotStatus:
        """Return a status of a robot that waits for a round."""
        known = self._federation.statuses.get(robot_id)
        if known is None:
            raise DataError(f'no status of {robot_id} is in the bag, but round {number} asked it')
        return dataclasses.replace(
            known, state=int(RobotState.READY), reason='', round=number - 1, update_digest=b''
        )

    def _send(self, one: RecordedRound, robot_id: str) -> None:
        """Let the update of a robot arrive."""
        update = one.updates.get(robot_id)
        status = update.status if update else None
        if update is None or status is None:
            return
        self._hear(status)
        for chunk in update.found.chunks.values() if update.found else ():
            if not self._open:
                return
            if not self._exact:  # with updates left out, earlier rounds may have had no result
                chunk = dataclasses.replace(chunk, model_version=self.machine.version)
            self._tell(MessageArrived(chunk, 0))

    def _hear(self, status: RobotStatus) -> None:
        self._now += 1.0
        self._tell(MessageArrived(dataclasses.replace(status, stamp=self._now), 0))

    def _tell(self, event: Event) -> None:
        self._do(self.machine.handle(event, self._now))

    def _do(self, effects: list[Effect]) -> None:
        """Do jobs at once, one after the other."""
        waiting: deque[Effect] = deque(effects)
        while waiting:
            effect = waiting.popleft()
            match effect:
                case StartJob(job):
                    waiting.extend(self.machine.handle(self._run(job), self._now))
                case SaveCheckpoint(number):
                    waiting.extend(self.machine.handle(CheckpointSaved(number), self._now))
                case Warn(key, text) if key != _WAITING:
                    self._warnings.append(text)
                case Record(row) if row['kind'] == 'update':
                    self._accepted.append(str(row['robot']))
                case Warn() | Say() | Record() | Publish() | PublishPackets() | Subscribe():
                    pass  # nobody listens, and rows are those of the bag
                case PreparePublisher() | SetTimer() | CancelTimer() | Answered() | RunEnded():
                    pass  # time passes with the rounds of the bag
                case _:
                    assert_never(effect)

    def _run(self, job: Aggregate | Evaluate) -> Event:
        try:
            result = self.worker.run(job)
        except (IotFlError, ValueError, ArithmeticError) as error:
            return JobFailed(job, f'{type(error).__name__}: {error}')
        if isinstance(job, Evaluate):
            self._accuracy = result
        else:
            self._tensors = result
        return JobDone(job, result)
