"""Jobs that a peer gives its worker, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iot_fl_ros.core.messages.federation import RunInfo
from iot_fl_ros.core.tensors import Tensors
from iot_fl_ros.mesh.graph import Links
from iot_fl_ros.methods.method import MeshMethod


@dataclass(frozen=True)
class PreparePeer:
    """Load data, model and graph. Result: PeerReady."""


@dataclass(frozen=True)
class PeerReady:
    """A prepared peer; manifest and update are those of its checkpoint, if any.

    warning: what the operator should know about the graph; empty = nothing.
    """

    info: RunInfo
    method: MeshMethod
    samples: int
    links: Links
    manifest: dict[str, Any] | None
    update: Tensors
    warning: str = ''


@dataclass(frozen=True)
class TrainPeer:
    """Train on the private samples. Result: PeerTrained."""

    round: int


@dataclass(frozen=True)
class PeerTrained:
    """Result of a training."""

    update: Tensors
    loss: float


@dataclass(frozen=True)
class Mix:
    """Make one of the own update (empty = training failed) and those received. Result: Mixed."""

    round: int
    own: Tensors
    received: Mapping[str, Tensors]
    weights: Mapping[str, float]


@dataclass(frozen=True)
class Mixed:
    """Result of mixing; links: new ones, if the graph has changed; warning: why it has not."""

    accuracy: float
    disagreement: float
    links: Links | None = None
    warning: str = ''
