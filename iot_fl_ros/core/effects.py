"""Effects: what a state machine can ask its driver for. Values without behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from iot_fl_ros.core.messages.feature_packet import FramePackets
from iot_fl_ros.core.messages.fields import WireMessage
from iot_fl_ros.core.messages.split import Inference
from iot_fl_ros.core.tensors import Tensors


@dataclass(frozen=True, slots=True)
class Publish:
    """Send a message on the topic of its class: the fleet's, or that in the namespace of `to`."""

    message: WireMessage
    to: str = ''


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Subscribe to `kind` in exactly these robots' namespaces.

    Replaces what was heard of that class before.
    """

    kind: type[WireMessage]
    robot_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PreparePublisher:
    """Create the publishers of `kind` in the namespaces of `robot_ids` ahead of time.

    Discovery takes a while; what is sent before it is over is lost.
    """

    kind: type[WireMessage]
    robot_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PublishPackets:
    """Send the packets of a frame, in order."""

    packets: FramePackets


@dataclass(frozen=True, slots=True)
class StartJob:
    """Run `job` on the worker; answered by JobDone or JobFailed. Jobs run one at a time.

    background: run it beside the others, which must not wait for it.
    """

    job: Any
    background: bool = False


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Fire TimerFired(name) after `delay` seconds; replaces a timer of that name."""

    name: str
    delay: float


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Forget the timer of that name."""

    name: str


@dataclass(frozen=True, slots=True)
class SaveCheckpoint:
    """Make state durable; answered by CheckpointSaved(round)."""

    round: int
    manifest: Mapping[str, Any] = field(default_factory=dict)
    tensors: Tensors = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """Append a row to the run's events.jsonl."""

    row: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Warn:
    """Tell the operator; repeated warnings with one key are throttled."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Say:
    """Tell the operator how things go: a few lines in the life of a run."""

    text: str


@dataclass(frozen=True, slots=True)
class Answered:
    """Give an answer of the edge to the programs of this robot."""

    answer: Inference


@dataclass(frozen=True, slots=True)
class RunEnded:
    """Nothing is left to do in this run. problem: why nothing was achieved; empty = some was."""

    problem: str = ''


Effect = (
    Publish | PublishPackets | Subscribe | PreparePublisher | StartJob | SetTimer | CancelTimer
    | SaveCheckpoint | Record | Warn | Say | Answered | RunEnded
)  # fmt: skip
