"""Results of a study's runs: means, confidence intervals, bytes to an accuracy, goals met."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from iot_fl_ros.core.run_files import accuracy_of, read_events
from iot_fl_ros.studies.study import Case, Goal, Section, Study, StudyRun

_CONFIDENCE = 0.95
# Rounds whose mean accuracy is that of the end.
_LAST = 3
_COSTS = ('updates', 'wire_bytes', 'joules', 'seconds')


@dataclass(frozen=True)
class Curve:
    """One run: accuracy after each round, and bytes one robot sent and received until then.

    updates, joules, seconds: mini-batches and active energy of all robots, and virtual time until
    then; NaN = not known.
    """

    accuracy: tuple[float, ...]
    wire_bytes: tuple[float, ...]
    updates: tuple[float, ...] = ()
    joules: tuple[float, ...] = ()
    seconds: tuple[float, ...] = ()

    @property
    def best(self) -> float:
        """Best accuracy, NaN if none is known."""
        return max((a for a in self.accuracy if not math.isnan(a)), default=math.nan)

    @property
    def final(self) -> float:
        """Mean accuracy of the last rounds, NaN if none is known."""
        last = [a for a in self.accuracy[-_LAST:] if not math.isnan(a)]
        return float(np.mean(last)) if last else math.nan

    @property
    def bytes_a_round(self) -> float:
        """Bytes a robot and round."""
        return self.wire_bytes[-1] / len(self.wire_bytes)

    def until(self, accuracy: float, what: str = 'wire_bytes') -> float:
        """Return the bytes, or another field, until `accuracy` was reached; NaN if never."""
        values: tuple[float, ...] = getattr(self, what)
        reached = (v for a, v in zip(self.accuracy, values, strict=False) if a >= accuracy)
        return next(reached, math.nan)


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds and half the width of its 95 % confidence interval (Student's t)."""

    mean: float
    half: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Estimate:
        """Estimate from one value a seed; what cannot be told, such as of one seed, is NaN."""
        from scipy.stats import t

        mean = float(np.mean(values)) if len(values) else math.nan
        if len(values) < 2:
            return cls(mean, math.nan)
        error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
        return cls(mean, error * float(t.ppf((1 + _CONFIDENCE) / 2, len(values) - 1)))


@dataclass(frozen=True)
class Reached:
    """Costs of reaching an accuracy: means over the seeds that did, and how many did."""

    updates: float
    wire_bytes: float
    joules: float
    seconds: float
    seeds: int


@dataclass(frozen=True)
class Row:
    """One method in one case. seeds: that it has run; compared: that the reference has run too.

    points: best accuracy minus that of the reference, in points. ratio: bytes of a round of the
    reference over its own. reach_bytes: bytes to the reference's best minus `reach` points;
    reach_ratio: those of the reference over them. NaN where a seed never reached it. goal: whether
    it was met by the whole interval, None = that cannot be told. reached: for each target of the
    section, what it took.
    """

    method: str
    accuracy: Estimate
    final: Estimate
    points: Estimate
    bytes_a_round: float
    ratio: float
    reach_bytes: float
    reach_ratio: float
    goal: bool | None
    seeds: int
    compared: int
    reached: tuple[Reached, ...] = ()


def read_curve(folder: Path) -> Curve:
    """Return the curve of a run in that folder.

    Rows count bytes when a round closes; what then goes down to the robots is added, as much as
    went down last.
    """
    rows = read_events(folder)
    end = next(row for row in rows if row['kind'] == 'end')
    rounds = [row for row in rows if row['kind'] == 'round']
    robots = max(1, end['robots'])
    download = end['bytes_up'] + end['bytes_down'] - rounds[-1]['bytes_total']
    return Curve(
        tuple(accuracy_of(row) for row in rounds),
        tuple((row['bytes_total'] + download) / robots for row in rounds),
        tuple(row.get('updates', math.nan) for row in rounds),
        tuple(row.get('joules_active', math.nan) for row in rounds),
        tuple(row.get('time', math.nan) for row in rounds),
    )


def curves_of(study: Study, output: Path) -> dict[StudyRun, Curve]:
    """Return the curves of all runs that have ended."""
    return {run: read_curve(output / run.path) for run in study.runs if run.done(output)}


def table(section: Section, case: Case, curves: dict[StudyRun, Curve]) -> list[Row]:
    """Return one row a method, compared seed by seed with the reference."""
    by_method: dict[str, dict[int, Curve]] = {name: {} for name in section.methods}
    for run, curve in curves.items():
        if (run.section, run.case) == (section.name, case.name):
            by_method[run.method][run.seed] = curve
    reference = by_method[section.reference]
    return [
        _row(section, case, name, seeds, reference) for name, seeds in by_method.items() if seeds
    ]


def _row(
    section: Section, case: Case, method: str, own: dict[int, Curve], reference: dict[int, Curve]
) -> Row:
    both = sorted(own.keys() & reference.keys())
    points = Estimate.of([100 * (own[s].best - reference[s].best) for s in both])
    ratio = _mean(reference[s].bytes_a_round for s in both)
    ratio /= _mean(own[s].bytes_a_round for s in both)
    goal = None
    if case.goal and method in case.goal.methods:
        goal = _met(points, ratio, case.goal)
    targets = {s: reference[s].best - (section.reach or 0.0) / 100 for s in both}
    reach = _mean(own[s].until(targets[s]) for s in both)
    reach_reference = _mean(reference[s].until(targets[s]) for s in both)
    curves = list(own.values())
    return Row(
        method, Estimate.of([c.best for c in curves]), Estimate.of([c.final for c in curves]),
        points, _mean(c.bytes_a_round for c in curves), ratio, reach, reach_reference / reach,
        goal, len(curves), len(both), tuple(_reached(one, curves) for one in section.targets),
    )  # fmt: skip


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return float(np.mean(found)) if found else math.nan


def at_least(estimate: Estimate, bar: float) -> bool | None:
    """Return whether the whole interval is on one side of a bar; None if that cannot be told."""
    if estimate.mean + estimate.half < bar:
        return False
    return True if estimate.mean - estimate.half >= bar else None


def _met(points: Estimate, ratio: float, goal: Goal) -> bool | None:
    return False if ratio < goal.ratio else at_least(points, -goal.points)


def _reached(target: float, curves: Sequence[Curve]) -> Reached:
    """Return means over the seeds that reached the target."""
    there = [curve for curve in curves if not math.isnan(curve.until(target))]
    values = [[curve.until(target, what) for what in _COSTS] for curve in there]
    means = np.mean(values, axis=0) if values else np.full(len(_COSTS), math.nan)
    updates, size, joules, seconds = map(float, means)
    return Reached(updates, size, joules, seconds, len(there))
