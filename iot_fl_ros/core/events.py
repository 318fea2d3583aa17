"""Events: what a state machine can be told. Values without behaviour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from iot_fl_ros.core.messages.feature_packet import FeaturePacket
from iot_fl_ros.core.messages.fields import SourceHeader, WireMessage


@dataclass(frozen=True, slots=True)
class MessageArrived:
    """A valid message arrived; `wire_bytes` is its serialized size."""

    message: WireMessage | FeaturePacket
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
class GraphChanged:
    """This peer's neighbours changed.

    neighbours: sorted; eps: best step of the Laplacian on the new graph, 0 = not known.
    """

    neighbours: tuple[str, ...]
    eps: float = 0.0


@dataclass(frozen=True, slots=True)
class LimitsChanged:
    """The limits of rounds were changed, that of the open one too. deadline: s."""

    deadline: float
    quorum: int


@dataclass(frozen=True, slots=True)
class Leave:
    """Leave the run and shut down cleanly."""


@dataclass(frozen=True, slots=True)
class PictureArrived:
    """A picture came from the camera. `image` is whatever the worker can read."""

    header: SourceHeader
    image: Any


@dataclass(frozen=True, slots=True)
class SwitchRequested:
    """A switch to another bundle or bit width was requested.

    bundle: '' = the same. bits: 0 = those of the bundle. answer: called with success, epoch in use
    and reason once the switch is over.
    """

    bundle: str
    bits: int
    answer: Callable[[bool, int, str], None]


Event = (
    MessageArrived | BadMessage | TimerFired | JobDone | JobFailed | CheckpointSaved
    | PeersChanged | GraphChanged | LimitsChanged | Leave | PictureArrived | SwitchRequested
)  # fmt: skip
