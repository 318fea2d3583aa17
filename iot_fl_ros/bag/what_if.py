"""A recorded federation with something changed: another rule, a robot less, a shorter deadline.

The updates are those that were sent. What a changed run cannot know: after the first other global
set the robots would have trained differently, and would have sent other updates.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.bag.federation import Federation, RecordedRound
from iot_fl_ros.bag.replay import Outcome, Replay, ReplayWorker
from iot_fl_ros.core.errors import ConfigError, MessageError
from iot_fl_ros.core.messages.federation import RunInfo
from iot_fl_ros.methods.dsfl import DsFl
from iot_fl_ros.methods.registry import method_of, method_settings, settings_text

_NANO = 1e-9


@dataclass(frozen=True)
class Change:
    """A change to a recorded run. method: '' = as recorded; settings: of the method, by name.

    without: robots whose updates are left out. deadline: updates that came later after the opening
    of their round, by the time of the bag, are left out too, s.
    """

    method: str = ''
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    without: tuple[str, ...] = ()
    deadline: float = math.inf

    def __bool__(self) -> bool:
        return self != Change()


@dataclass(frozen=True)
class Difference:
    """Difference of a round from the recorded one. Shares 0..1; NaN = nothing to compare.

    left_out: robots whose updates were accepted and are not any more. same: digests are equal.
    classes_changed: share of labels with another likeliest class. distance: mean L2 distance of
    labels, or that of weights as a share of their own length. accuracy, accuracy_then: of the
    aggregator's model, changed and as recorded.
    """

    number: int
    left_out: tuple[str, ...]
    same: bool
    classes_changed: float
    distance: float
    accuracy: float
    accuracy_then: float
    note: str


def changed_info(info: RunInfo, change: Change) -> RunInfo:
    """Return the info of the changed run; ConfigError if its updates would be of another kind."""
    former = method_of(info)
    name = change.method or info.method
    kept = dataclasses.asdict(former.settings) if name == info.method else {}
    _, settings = method_settings({**kept, **change.settings, 'name': name})
    changed = dataclasses.replace(info, method=name, method_settings=settings_text(settings))
    other = method_of(changed)
    for number in range(1, info.rounds + 1):
        if former.update_specs(number) != other.update_specs(number):
            raise ConfigError(
                f'{name} with these settings takes other updates than the robots sent in round '
                f'{number}: {other.update_specs(number)} instead of {former.update_specs(number)}'
            )
    return changed


def compare(
    federation: Federation, then: ReplayWorker, now: ReplayWorker, change: Change
) -> Iterator[Difference]:
    """Yield how each round that ended differs. then, now: workers as recorded and as changed."""
    unknown = set(change.without) - {i for one in federation.ended for i in one.participants}
    if unknown:
        raise ConfigError(f'--without {", ".join(sorted(unknown))}: no round asked them')
    before, after = Replay(federation, then), Replay(federation, now, exact=False)
    for one in federation.ended:
        accepted = one.accepted or ()
        kept = [robot_id for robot_id in accepted if _stays(one, robot_id, change)]
        left_out = tuple(sorted(set(accepted) - set(kept)))
        old, new = before.play(one, accepted), after.play(one, kept)
        classes, distance = _compared(then, now, old, new)
        same = bool(old.tensors) == bool(new.tensors) and old.digest == new.digest
        gone = [] if new.tensors else ['no update is left: no result']
        note = '; '.join([*gone, *new.refused])
        lacking = sorted(set(accepted) - set(old.accepted))
        if lacking:
            note = f'not in the bag: {", ".join(lacking)}; {note}'
        yield Difference(
            one.number, left_out, same, classes, distance, new.accuracy, old.accuracy, note
        )


def _stays(one: RecordedRound, robot_id: str, change: Change) -> bool:
    if robot_id in change.without:
        return False
    update = one.updates.get(robot_id)
    if update is None or not one.opened:
        return True
    return (update.arrived - one.opened) * _NANO <= change.deadline


def _compared(
    then: ReplayWorker, now: ReplayWorker, before: Outcome, after: Outcome
) -> tuple[float, float]:
    """Return (share of labels with another likeliest class, distance), NaN if not known."""
    if not (before.tensors and after.tensors):
        return math.nan, math.nan
    old_labels, new_labels = _labels(then, before), _labels(now, after)
    if old_labels is not None and new_labels is not None:
        (old, old_mask), (new, new_mask) = old_labels, new_labels
        both = old_mask & new_mask
        if not both.any():
            return math.nan, math.nan
        changed = old[both].argmax(1) != new[both].argmax(1)
        return float(changed.mean()), float(np.linalg.norm(old[both] - new[both], axis=1).mean())
    old_values, new_values = _values(before), _values(after)
    if old_values.shape != new_values.shape or not len(old_values):
        return math.nan, math.nan
    length = float(np.linalg.norm(old_values))
    return math.nan, float(np.linalg.norm(new_values - old_values)) / max(length, 1e-12)


def _labels(
    worker: ReplayWorker, outcome: Outcome
) -> tuple[NDArray[np.float32], NDArray[np.bool_]] | None:
    """Return labels [N, C] and which samples have one, if the method sends labels."""
    method = worker.method
    if not isinstance(method, DsFl):
        return None
    try:
        return method.exchange.decode(worker.participant.memory, outcome.tensors, outcome.round)
    except MessageError:
        return None


def _values(outcome: Outcome) -> NDArray[np.float64]:
    """Return all numbers of the tensors in a row."""
    arrays = [
        t.astype(np.float64).ravel() for t in outcome.tensors.values() if t.dtype.kind == 'f'
    ]
    return np.concatenate(arrays) if arrays else np.zeros(0)
