"""What the aggregator says about its run: who is there, how rounds went, what it waits for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from iot_fl_ros.core.effects import Effect, Record, Say, Warn
from iot_fl_ros.core.messages.federation import RobotState, RobotStatus, RunInfo
from iot_fl_ros.exchange.open_round import OpenRound
from iot_fl_ros.exchange.waiting import Waiting
from iot_fl_ros.federation.settings import RunSettings
from iot_fl_ros.training.settings import samples_a_batch

# Rounds at chance after which it is said what could help.
_ROUNDS_AT_CHANCE = 3
# Accuracy up to which a model has learned nothing, in shares of chance.
_CHANCE = 1.2
_SHOWN_CLASSES = 10
# Lines about robots that come, go or are refused: so many at once, then so many a second.
_BURST, _A_SECOND = 2_000, 1.0


def samples_text(samples: int, counts: Sequence[int], names: Sequence[str]) -> str:
    """Return how many private samples a robot has, and of which classes."""
    there = [f'{count} {name}' for name, count in zip(names, counts, strict=False) if count]
    shown = ', '.join(there[:_SHOWN_CLASSES])
    more = f' and {len(there) - _SHOWN_CLASSES} more' if len(there) > _SHOWN_CLASSES else ''
    text = f'{samples} private samples'
    return f'{text} of {len(there)} of {len(names)} classes: {shown}{more}' if there else text


class _Allowance:
    """How many lines about comings and goings may still be written; more come with time."""

    def __init__(self) -> None:
        self._left, self._at = float(_BURST), -math.inf

    def take(self, now: float) -> bool:
        """Return whether one may be written now."""
        passed = max(0.0, now - self._at) if math.isfinite(self._at) else 0.0
        self._left, self._at = min(float(_BURST), self._left + passed * _A_SECOND), now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class RunSpeech:
    """Turns what happens in a run into lines for people and rows. method: its settings.

    Robots that come and go all the time, and made-up ones, cannot fill disk and log.
    """

    def __init__(self, settings: RunSettings, info: RunInfo, method: Any) -> None:
        self._settings = settings
        self._info = info
        self._method = method
        self._waiting = Waiting()
        self._at_chance = 0
        self._last_failure = ''
        # Apart, so that whoever comes and goes hides nobody who is refused.
        self._allowance, self._refusals = _Allowance(), _Allowance()

    def begun(self, round_: int) -> list[Effect]:
        """Say what the run begins with, or goes on from, and what cannot go well."""
        run = self._settings
        few = (
            f'run.quorum is {run.quorum}, run.robots is {run.robots}: no round opens before '
            f'{run.quorum} robots are here'
        )
        warning = [Warn('quorum', few)] if run.quorum > run.robots else []
        return [self._where(round_), *warning]

    def _where(self, round_: int) -> Effect:
        run, rounds = self._settings, self._settings.rounds
        if round_ >= rounds:
            more = f'for more of them set run.rounds above {round_}'
            return Say(f'run {run.name!r} is over already, all {round_} rounds of it: {more}')
        if round_:
            return Say(f'run {run.name!r} goes on after round {round_} of {rounds}')
        return Say(f'run {run.name!r} begins: {rounds} rounds of {self._info.method}')

    def heard(
        self, status: RobotStatus, known: RobotStatus | None, robots: int, round_: int, now: float
    ) -> list[Effect]:
        """Say that a robot has joined, or does not take part. robots: that are there, with it."""
        robot_id = status.robot_id
        where = {'round': round_, 'robot': robot_id}
        if status.state == RobotState.REFUSED:
            if known and known.state == RobotState.REFUSED:
                return []
            self._last_failure = f'{robot_id}: {status.reason}'
            if not self._refusals.take(now):
                return []
            text = f'{robot_id} does not take part: {status.reason}'
            row = {'kind': 'refused', **where, 'reason': status.reason}
            return [Warn(f'no {robot_id}', text), Record(row)]
        if known or not self._allowance.take(now):
            return []
        joined = Say(f'{robot_id} joined: {robots} of {self._settings.robots} robots')
        return [joined, Record({'kind': 'joined', **where})]

    def training_failed(self, status: RobotStatus) -> list[Effect]:
        """Say that a robot has no update in a round."""
        robot_id, reason = status.robot_id, status.reason or 'training failed'
        self._last_failure = f'{robot_id}: {reason}'
        row = {'kind': 'failed', 'round': status.round, 'robot': robot_id, 'reason': reason}
        return [Warn(f'failed {robot_id}', f'{robot_id}: {reason}'), Record(row)]

    def aggregation_failed(self, error: str) -> Effect:
        """Say that a round has no result."""
        self._last_failure = f'aggregation failed: {error}'
        return Warn('aggregate', self._last_failure)

    def gone(self, robot_id: str, round_: int, now: float, *, left: bool) -> list[Effect]:
        """Say that a robot has left, or fell silent."""
        if not self._allowance.take(now):
            return []
        said: Effect = (
            Say(f'{robot_id} left')
            if left
            else Warn(f'gone {robot_id}', f'{robot_id} fell silent')
        )
        return [said, Record({'kind': 'gone', 'round': round_, 'robot': robot_id})]

    def waits(
        self, open_round: OpenRound[RobotStatus] | None, available: int, left: float, now: float
    ) -> list[Effect]:
        """Say, now and then, for whom a round waits, or how many robots are lacking for one.

        left: until the deadline of the round, s.
        """
        if open_round:
            late = ', '.join(open_round.late())
            text = f'updates of round {open_round.number} from {late}'
            more = f' (at most {left:.0f} s more)'
            kind = f'updates {open_round.number}' if late else ''
            return self._waiting.look(kind, text + more, now)
        run = self._settings
        needed = f'run.robots is {run.robots}, run.quorum is {run.quorum}'
        text = f'robots: {available} can be asked; {needed}'
        return self._waiting.look('robots', text, now)

    def waits_for_nothing(self, now: float) -> None:
        """Note that the aggregator is busy itself."""
        self._waiting.look('', '', now)

    def limits(self, settings: RunSettings) -> None:
        """Take other settings of the run."""
        self._settings = settings

    def waiting(self, now: float) -> float:
        """Return for how long the aggregator has waited for the same, s."""
        return self._waiting.seconds(now)

    def round_over(self, row: Mapping[str, Any], samples: Sequence[int]) -> list[Effect]:
        """Say how a round went. samples: of the robots that are there."""
        known = [
            f'{name} {value:.1%}'
            for name, value in (('accuracy', row['accuracy']), ('robots', row['robot_accuracy']))
            if not math.isnan(value)
        ]
        others = [
            f'{len(row[name])} {name}' for name in ('late', 'silent', 'refused') if row[name]
        ]
        took = f'{len(row["participants"])} took part'
        head = f'round {row["round"]} of {self._settings.rounds}'
        lines: list[Effect] = [Say(f'{head}: {", ".join([*known, took, *others])}')]
        return lines + self._hint(row, samples)

    def _hint(self, row: Mapping[str, Any], samples: Sequence[int]) -> list[Effect]:
        """Say, once, what could help a model that has learned nothing so far."""
        accuracy = row['robot_accuracy'] if math.isnan(row['accuracy']) else row['accuracy']
        chance = _CHANCE / len(self._info.class_names)
        learned = math.isnan(accuracy) or accuracy > chance
        self._at_chance = 0 if learned else self._at_chance + 1
        if self._at_chance != _ROUNDS_AT_CHANCE or not samples:
            return []
        size = round(sum(samples) / len(samples))
        batch = samples_a_batch(getattr(self._method, 'batch_size', 0), size)
        steps = math.ceil(size / batch)
        remedies = [
            f'{what} method.{name} (now {batch if name == "batch_size" else value:g})'
            for what, name in (
                ('raise', 'local_epochs'), ('lower', 'batch_size'), ('change', 'learning_rate'),
            )
            if (value := getattr(self._method, name, None)) is not None
        ]  # fmt: skip
        text = (
            f'accuracy is at chance ({accuracy:.0%}) after {_ROUNDS_AT_CHANCE} rounds; a robot '
            f'has about {size} samples, {steps} steps an epoch: '
            f'{", ".join(remedies) or "look at data and labels"}'
        )
        return [Warn('chance', text)]

    def problem(self, version: int) -> str:
        """Return why a run achieved nothing; empty if something was aggregated."""
        if version:
            return ''
        why = self._last_failure or 'no update came in time'
        return f'run {self._settings.name!r} is over, and not one update was aggregated: {why}'
