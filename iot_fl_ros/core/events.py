"""Events: what a state machine can be told. Values without behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from iot_fl_ros.core.wire import WireMessage


@dataclass(frozen=True, slots=True)
class MessageArrived:
    """A valid message arrived; `wire_bytes` is its serialized size."""

    message: WireMessage
    wire_bytes: int


@dataclass(frozen=True, slots=True)
class BadMessage:
    """Bytes arrived on `topic` that are no valid message; `sender` is the best name known."""

    topic: str
    sender: str
    reason: str
    wire_bytes: int


@dataclass(frozen=True, slots=True)
class TimerFired:
    """The timer called `name` ran out."""

    name: str


@dataclass(frozen=True, slots=True)
class JobDone:
    """A job ended; `job` is the value that was started."""

    job: Any
    result: Any


@dataclass(frozen=True, slots=True)
class JobFailed:
    """A job raised; `error` says what, for people."""

    job: Any
    error: str


@dataclass(frozen=True, slots=True)
class CheckpointSaved:
    """The checkpoint of `round` is on disk."""

    round: int


@dataclass(frozen=True, slots=True)
class PeersChanged:
    """The transport saw some peer's liveliness lost or regained."""


@dataclass(frozen=True, slots=True)
class Leave:
    """This participant shall go away in good order."""


Event = (
    MessageArrived | BadMessage | TimerFired | JobDone | JobFailed | CheckpointSaved
    | PeersChanged | Leave
)  # fmt: skip
