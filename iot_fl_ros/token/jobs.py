"""Jobs that a Tram-FL robot gives its worker, as values."""

from __future__ import annotations

from dataclasses import dataclass, field

from iot_fl_ros.core.messages.token import TokenClaim
from iot_fl_ros.core.tensors import TensorSpec
from iot_fl_ros.token.acceptor import Promise
from iot_fl_ros.token.token import Token


@dataclass(frozen=True)
class Prepare:
    """Load data, model, promises and copies. Result: Prepared."""


@dataclass(frozen=True)
class Prepared:
    """A robot is ready. promises: None = it has no record of any."""

    run_id: str
    class_counts: tuple[int, ...]
    specs: tuple[TensorSpec, ...]
    tokens: tuple[Token, ...]
    promises: tuple[Promise, ...] | None


@dataclass(frozen=True)
class KeepPromise:
    """Make promises durable; the claim waits for it. Result: None."""

    promises: tuple[Promise, ...]
    claim: TokenClaim


@dataclass(frozen=True)
class KeepToken:
    """Make a copy of a token durable. Result: None."""

    token: Token


@dataclass(frozen=True)
class Visit:
    """Train a token with so many mini-batches, with fencing number `fence`. Result: Visited."""

    token: Token
    fence: int
    batches: int
    test: bool


@dataclass(frozen=True)
class Visited:
    """The trained token; loss and accuracy may be NaN. seconds: of the training alone."""

    token: Token
    loss: float
    accuracy: float
    seconds: float
    class_counts: tuple[int, ...] = field(default=())


@dataclass(frozen=True)
class Merge:
    """Average two tokens that met. Result: (Token, Token)."""

    first: Token
    second: Token


Job = Prepare | KeepPromise | KeepToken | Visit | Merge
