"""A recorded federation: what a bag knows of one run, sorted by rounds and robots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import NDArray

from iot_fl_ros.bag.reader import Bag, check_own_types
from iot_fl_ros.core.errors import ConfigError, DataError, MessageError
from iot_fl_ros.core.messages.chunks import TensorChunk
from iot_fl_ros.core.messages.federation import (
    GlobalChunk,
    PlanState,
    RobotStatus,
    RoundPlan,
    RoundReport,
    RunInfo,
)
from iot_fl_ros.core.messages.fields import WireMessage
from iot_fl_ros.exchange.chunking import Assembly
from iot_fl_ros.ros.convert import decode

_KINDS: Mapping[str, type[WireMessage]] = {
    kind.TOPIC: kind
    for kind in (RunInfo, RoundPlan, RobotStatus, TensorChunk, GlobalChunk, RoundReport)
}


@dataclass
class ChunkSet:
    """The pieces of one set of tensors, in the order of recording. last: of the newest, ns."""

    chunks: dict[int, TensorChunk] = field(default_factory=dict)
    last: int = 0

    def add(self, chunk: TensorChunk, stamp: int) -> None:
        """Take a piece; one that was sent twice is kept as it came first."""
        if chunk.chunk_index not in self.chunks:
            self.chunks[chunk.chunk_index] = chunk
            self.last = stamp

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the tensors; MessageError says what is wrong with the set."""
        assembly: Assembly | None = None
        for _, chunk in sorted(self.chunks.items()):
            assembly = assembly or Assembly(chunk)
            assembly.add(chunk)
        if assembly is None or assembly.missing:
            count = next(iter(self.chunks.values())).chunk_count if self.chunks else 0
            raise MessageError('not whole', f'{len(self.chunks)} of {count} pieces are here')
        return assembly.tensors()


@dataclass
class RecordedUpdate:
    """Everything that a robot sent in a round: announcements, and sets of pieces by their digest.

    announced: when the first status with a digest came, ns.
    """

    statuses: dict[bytes, RobotStatus] = field(default_factory=dict)
    sets: dict[bytes, ChunkSet] = field(default_factory=dict)
    announced: int = 0

    @property
    def status(self) -> RobotStatus | None:
        """The announcement that counts: the last one whose update is here, else the last one."""
        whole = [status for digest, status in self.statuses.items() if digest in self.sets]
        announced = whole or list(self.statuses.values())
        return announced[-1] if announced else None

    @property
    def found(self) -> ChunkSet | None:
        """The pieces of what was announced, None if there are none."""
        return self.sets.get(self.status.update_digest) if self.status else None

    @property
    def whole(self) -> bool:
        """True if it is here as it was announced."""
        try:
            return self.found is not None and bool(self.found.tensors())
        except MessageError:
            return False

    @property
    def arrived(self) -> int:
        """Times at which the update was announced and whole, ns."""
        return max(self.announced, self.found.last if self.found else 0)


@dataclass
class RecordedRound:
    """A round. opened: by the time of the bag, ns, 0 = its plan is not here.

    accepted: whose updates were aggregated; None = its report is not here. deduced: so they were
    taken for those whose updates are whole.
    """

    number: int
    participants: tuple[str, ...] = ()
    accepted: tuple[str, ...] | None = None
    opened: int = 0
    updates: dict[str, RecordedUpdate] = field(default_factory=dict)
    deduced: bool = False

    def with_all_updates(self) -> RecordedRound:
        """Return the round as if all whole updates had been accepted."""
        whole = [robot_id for robot_id, update in self.updates.items() if update.whole]
        return replace(self, accepted=tuple(sorted(whole)), deduced=True)


@dataclass
class Federation:
    """A run as it was recorded. outcomes: round -> digests of the global set that came out of it.

    unreadable: messages of the fleet's topics that could not be read, by topic.
    """

    info: RunInfo
    rounds: dict[int, RecordedRound]
    outcomes: dict[int, set[bytes]]
    sets: dict[bytes, ChunkSet]
    versions: dict[int, bytes]
    statuses: dict[str, RobotStatus]
    unreadable: dict[str, int]

    @property
    def ended(self) -> list[RecordedRound]:
        """The rounds that are over, in order; who was accepted is deduced where need be."""
        last = max((n for n, one in self.rounds.items() if one.opened), default=0)
        return [
            one if one.accepted is not None else one.with_all_updates()
            for number, one in sorted(self.rounds.items())
            if one.accepted is not None or (number < last and one.updates)
        ]


def read_federation(bag: Bag, run_id: str = '', namespace: str = '') -> Federation:
    """Return the run `run_id` of a bag ('' = its only one); DataError if there is none.

    namespace: of the fleet; '' = the only one with runs.
    """
    namespace = _namespace(bag, namespace)
    topics = {f'{namespace}/{name}': kind for name, kind in _KINDS.items()}
    check_own_types(bag, [name for name in topics if name in bag.topics])
    unreadable: dict[str, int] = {}
    messages: dict[str, list[tuple[int, WireMessage]]] = {}
    for raw in bag.messages([name for name in topics if name in bag.topics]):
        try:
            message = decode(topics[raw.topic], raw.raw)
        except MessageError:
            unreadable[raw.topic] = unreadable.get(raw.topic, 0) + 1
            continue
        messages.setdefault(getattr(message, 'run_id', ''), []).append((raw.stamp, message))
    runs = {
        run: [m for _, m in found if isinstance(m, RunInfo)] for run, found in messages.items()
    }
    known = sorted(run for run, infos in runs.items() if infos)
    if not known:
        raise DataError(f'{bag.path} holds no run_info: was it recorded with --fleet?')
    if run_id and run_id not in known:
        choice = ', '.join(known)
        raise ConfigError(f'{bag.path} holds no run {run_id!r}: --run-id can be {choice}')
    if not run_id and len(known) > 1:
        raise ConfigError(f'{bag.path} holds several runs: choose --run-id {", ".join(known)}')
    run_id = run_id or known[0]
    federation = Federation(runs[run_id][-1], {}, {}, {}, {}, {}, unreadable)
    for stamp, message in messages[run_id]:
        _take(federation, message, stamp)
    return federation


def _namespace(bag: Bag, wanted: str) -> str:
    found = sorted(
        name.rpartition('/')[0]
        for name, topic in bag.topics.items()
        if topic.ros_type == 'iot_fl_ros/msg/RunInfo' and name.endswith(f'/{RunInfo.TOPIC}')
    )
    wanted = wanted.rstrip('/')
    if not found or (wanted and wanted not in found):
        where = f' under {wanted}' if wanted else ''
        raise DataError(f'{bag.path} holds no run_info{where}: was it recorded with --fleet?')
    if not wanted and len(found) > 1:
        raise ConfigError(
            f'{bag.path} holds several fleets: choose --fleet-namespace {", ".join(found)}'
        )
    return wanted or found[0]


def _take(federation: Federation, message: WireMessage, stamp: int) -> None:
    def of_round(number: int) -> RecordedRound:
        return federation.rounds.setdefault(number, RecordedRound(number))

    match message:
        case RoundPlan(round=number) if message.participants:
            one = of_round(number)
            if message.state == PlanState.COLLECTING:
                one.participants = message.participants
                one.opened = one.opened or stamp
        case RoundReport(round=number):
            one = of_round(number)
            one.accepted = message.participants
            everybody = {*message.participants, *message.late, *message.silent, *message.refused}
            one.participants = one.participants or tuple(sorted(everybody))
        case GlobalChunk(round=number):
            federation.outcomes.setdefault(number, set()).add(message.digest)
            federation.sets.setdefault(message.digest, ChunkSet()).add(message, stamp)
        case TensorChunk(round=number):
            update = of_round(number).updates.setdefault(message.sender_id, RecordedUpdate())
            update.sets.setdefault(message.digest, ChunkSet()).add(message, stamp)
        case RobotStatus(round=number):
            federation.statuses.setdefault(message.robot_id, message)
            if message.update_digest and number:
                update = of_round(number).updates.setdefault(message.robot_id, RecordedUpdate())
                update.statuses.setdefault(message.update_digest, message)
                update.announced = update.announced or stamp
    if isinstance(message, RoundPlan) and message.model_digest:
        federation.versions.setdefault(message.model_version, message.model_digest)
