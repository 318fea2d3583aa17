"""Does what an aggregator sent follow, bit for bit, from the updates that it accepted?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from iot_fl_ros.bag.federation import ChunkSet, Federation, RecordedRound
from iot_fl_ros.bag.replay import Replay, ReplayWorker
from iot_fl_ros.core.errors import MessageError

_NOT_HERE = 'is not in the bag'
_NOT_ANNOUNCED = 'was not announced by a status in the bag'


@dataclass(frozen=True)
class AuditedRound:
    """Verdict on a round. digest: of what follows from the updates; problem: '' = it is the same.

    robots: whose updates are at fault, if the problem is theirs. missing: the bag does not say
    that something is wrong, it lacks what would show that all is right.
    """

    number: int
    accepted: tuple[str, ...]
    digest: bytes
    problem: str
    robots: tuple[str, ...] = ()
    missing: bool = False

    @property
    def good(self) -> bool:
        """True if the recorded result follows."""
        return not self.problem


def audit(federation: Federation, worker: ReplayWorker) -> Iterator[AuditedRound]:
    """Yield a verdict for round 0 (the initial set, if the method has one) and each that ended.

    Ends with the first bad one: what comes after it has nothing to stand on.
    """
    replay = Replay(federation, worker)
    if 0 in federation.outcomes:
        problem = _compared(federation, 0, replay.initial_digest)
        yield AuditedRound(0, (), replay.initial_digest, problem)
        if problem:
            return
    for one in federation.ended:
        verdict = _audited(federation, replay, one)
        yield verdict
        if not verdict.good:
            return


def _audited(federation: Federation, replay: Replay, one: RecordedRound) -> AuditedRound:
    accepted = one.accepted or ()
    faults = {robot_id: _fault(one, robot_id) for robot_id in accepted}
    faults = {robot_id: fault for robot_id, fault in faults.items() if fault}
    if faults:
        text = '; '.join(f'the update of {robot_id} {fault}' for robot_id, fault in faults.items())
        lacking = all(fault in (_NOT_HERE, _NOT_ANNOUNCED) for fault in faults.values())
        return AuditedRound(one.number, accepted, b'', text, tuple(sorted(faults)), lacking)
    outcome = replay.play(one, accepted)
    if set(outcome.accepted) != set(accepted):
        missing = tuple(sorted(set(accepted) - set(outcome.accepted)))
        text = f'not accepted again: {", ".join(missing)} ({"; ".join(outcome.refused)})'
        return AuditedRound(one.number, accepted, b'', text, missing)
    if accepted and not outcome.tensors:
        text = f'nothing comes out of it ({"; ".join(outcome.refused)})'
        return AuditedRound(one.number, accepted, b'', text)
    problem = _compared(federation, one.number, outcome.digest) if accepted else ''
    if problem and one.deduced:
        text = f'its report is not in the bag, and with all updates that are, {problem}'
        return AuditedRound(one.number, accepted, outcome.digest, text, missing=True)
    return AuditedRound(one.number, accepted, outcome.digest, problem)


def _fault(one: RecordedRound, robot_id: str) -> str:
    """Return what is wrong with the update of a robot, '' if it is what the robot announced."""
    update = one.updates.get(robot_id)
    status = update.status if update else None
    if update is None or not update.sets:
        return _NOT_HERE
    if status is None:
        return _NOT_ANNOUNCED
    if update.found is None:
        sent = ', '.join(digest.hex()[:8] for digest in update.sets)
        return f'was announced as {status.update_digest.hex()[:8]}, but {sent} was sent'
    return _fault_of(update.found, status.update_digest)


def _fault_of(found: ChunkSet, digest: bytes) -> str:
    try:
        found.tensors()
    except MessageError as error:
        if error.reason == 'bad hash':
            return f'does not have the digest that was announced, {digest.hex()[:8]}'
        return f'cannot be put together ({error})'
    return ''


def _compared(federation: Federation, number: int, digest: bytes) -> str:
    """Return what is wrong with the recorded result of a round."""
    recorded = federation.outcomes.get(number, set())
    for one in sorted(recorded):
        fault = _fault_of(federation.sets[one], one)
        if fault:
            return f'the global set that the aggregator sent {fault}'
    if not recorded:
        recorded = {d for d in federation.versions.values() if d == digest}
        if not recorded:
            return 'the bag holds neither its global set nor a plan that names it'
    if recorded != {digest}:
        others = ', '.join(one.hex()[:8] for one in sorted(recorded - {digest}))
        return (
            f'the recorded global set {others} does not follow from the accepted updates, which '
            f'give {digest.hex()[:8]}'
        )
    return ''
