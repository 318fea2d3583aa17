"""Estimates of the times of one robot, from what was observed of it.

A time that was not seen to its end (a missed deadline) is a lower bound. A time is estimated by
all the time that was waited over the number of times it came to its end: the maximum likelihood
of a censored exponential (Epstein and Sobel, 1953), and the plain mean if nothing was missed.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, field, replace
from typing import Any

from iot_fl_ros.exchange.open_round import OpenRound

_SHORTEST = 1e-9  # s


@dataclass(frozen=True)
class ResponseRecord:
    """Times of one robot in one round, s. NaN = nothing; at_least: the time was longer."""

    round: int
    train: float
    upload: float
    train_at_least: bool = False
    upload_at_least: bool = False

    @property
    def whole(self) -> bool:
        """True if the robot was observed from its start to its end."""
        return not self.train_at_least and not self.upload_at_least and self.upload >= 0


@dataclass(frozen=True)
class CensoredSums:
    """Weighted sums over what was observed of one kind of time."""

    seen: float = 0.0
    ended: float = 0.0
    seconds: float = 0.0
    squares: float = 0.0
    waited: float = 0.0
    rates: float = 0.0
    ended_squares: float = 0.0  # of the weights

    def plus(self, seconds: float, at_least: bool) -> CensoredSums:
        """Return the sums with another time; NaN adds nothing."""
        if math.isnan(seconds):
            return self
        if at_least:
            return replace(self, seen=self.seen + 1, waited=self.waited + seconds)
        return replace(
            self,
            seen=self.seen + 1,
            ended=self.ended + 1,
            seconds=self.seconds + seconds,
            squares=self.squares + seconds * seconds,
            rates=self.rates + 1 / max(seconds, _SHORTEST),
            ended_squares=self.ended_squares + 1,
        )

    def faded(self, factor: float) -> CensoredSums:
        """Return the sums with less weight."""
        faded = CensoredSums(*(factor * value for value in astuple(self)))
        return replace(faded, ended_squares=factor * faded.ended_squares)

    @property
    def mean(self) -> float:
        """Estimated time, s; 0 if nothing is known.

        Misses weigh at most as if one time had ended, however long ago one did.
        """
        ended = self.seconds / self.ended if self.ended else 0.0
        return ended + self.waited / max(1.0, self.ended)

    @property
    def harmonic(self) -> float:
        """As `mean`, with the harmonic mean of the times that ended: the mean of their rates.

        Where rates fluctuate, one slow round weighs less in it than in the mean of times.
        """
        ended = self.ended / self.rates if self.ended else 0.0
        return ended + self.waited / max(1.0, self.ended)

    @property
    def deviations(self) -> float:
        """Sum of the squared differences from the mean of the times that ended, s^2."""
        if not self.ended:
            return 0.0
        return max(0.0, self.squares - self.seconds * self.seconds / self.ended)

    @property
    def degrees(self) -> float:
        """Degrees of freedom of `deviations`; weights of any size, not only counts."""
        return self.ended - self.ended_squares / self.ended if self.ended else 0.0


@dataclass(frozen=True)
class TimeEstimate:
    """Estimated times of a robot. asked: weighted number of rounds; rates: sum of 1/s."""

    asked: float = 0.0
    rates: float = 0.0
    train: CensoredSums = CensoredSums()
    upload: CensoredSums = CensoredSums()

    def plus(self, record: ResponseRecord) -> TimeEstimate:
        """Return what is known after another record."""
        train = 0.0 if math.isnan(record.train) else record.train
        total = max(train + record.upload, _SHORTEST)
        return TimeEstimate(
            self.asked + 1,
            # A miss has the rate 0: it brought nothing in that round.
            self.rates + (1 / total if record.whole else 0.0),
            self.train.plus(record.train, record.train_at_least),
            self.upload.plus(record.upload, record.upload_at_least),
        )

    def faded(self, factor: float) -> TimeEstimate:
        """Return the same with less weight."""
        if factor == 1.0:
            return self
        times = self.train.faded(factor), self.upload.faded(factor)
        return TimeEstimate(factor * self.asked, factor * self.rates, *times)

    @property
    def rate(self) -> float:
        """Mean of 1/(training + upload), 1/s."""
        return self.rates / self.asked


@dataclass
class ResponseHistory:
    """The records of one robot: their sums up to `round`, or the last ones of a window."""

    round: int = 0
    known: TimeEstimate = field(default_factory=TimeEstimate)
    records: list[ResponseRecord] = field(default_factory=list)

    def see(self, record: ResponseRecord, discount: float, window: int) -> None:
        """Take the record of the newest round."""
        if window:
            self.records = [*self._since(record.round - window), record]
        else:
            self.known = self.at(record.round, discount, window).plus(record)
        self.round = record.round

    def at(self, round: int, discount: float, window: int) -> TimeEstimate:
        """Return what is known when `round` opens."""
        if not window:
            return self.known.faded(discount ** (round - self.round))
        known, last = TimeEstimate(), 0
        for record in self._since(round - window):
            known = known.faded(discount ** (record.round - last)).plus(record)
            last = record.round
        return known.faded(discount ** (round - last))

    def state(self) -> list[Any]:
        """Return plain numbers; for NaN, which JSON does not know, None."""
        plain = [[None if one != one else one for one in astuple(r)] for r in self.records]
        return [self.round, *astuple(self.known), plain]

    @classmethod
    def restored(cls, state: list[Any]) -> ResponseHistory:
        """Return the history that gave `state`."""
        round, asked, rates, train, upload, plain = state
        known = TimeEstimate(asked, rates, CensoredSums(*train), CensoredSums(*upload))
        records: list[list[Any]] = [
            [math.nan if one is None else one for one in record] for record in plain
        ]
        return cls(round, known, [ResponseRecord(*record) for record in records])

    def _since(self, round: int) -> list[ResponseRecord]:
        return [record for record in self.records if record.round >= round]


def records_of(closed: OpenRound, timing: str, now: float) -> dict[str, ResponseRecord]:
    """Return a record of each participant, by the aggregator's own clock.

    Training: from the opening of the round until the update was announced, the way of the plan
    included; what a robot states could be a lie. Upload: from the announcement until the update
    was whole. With serial uploads an update waits for those before it, so its own time began when
    the last of them was whole (departures of a queue). Of an update that was announced before the
    round opened the upload alone is seen, from the opening on, whoever was whole meanwhile. Who
    did not deliver was at least as slow as what passed until the round closed, whoever it may
    have waited for: who announces what it does not have would else seem to send in no time.
    """
    announced = {i: closed.announced.get(i, closed.opened) for i in closed.statuses}
    began = announced | (_turns(closed) if timing == 'serial' else {})
    records = {}
    for robot_id in closed.participants:
        if robot_id not in closed.statuses:
            waited = now - closed.opened
            records[robot_id] = ResponseRecord(closed.number, waited, math.nan, True)
            continue
        early = robot_id not in closed.announced
        train = math.nan if early else announced[robot_id] - closed.opened
        arrived = closed.arrived.get(robot_id)
        upload = (now if arrived is None else arrived) - began[robot_id]
        records[robot_id] = ResponseRecord(closed.number, train, upload, False, arrived is None)
    return records


def _turns(closed: OpenRound) -> dict[str, float]:
    """Return when uploads that were announced in the round, and ended, had the radio alone."""
    began = {}
    free = closed.opened
    for robot_id, arrived in sorted(closed.arrived.items(), key=lambda item: item[1]):
        if robot_id in closed.announced:
            began[robot_id] = min(arrived, max(closed.announced[robot_id], free))
        free = arrived
    return began
