"""The update of a robot on its way to the aggregator."""

from __future__ import annotations

import math

from iot_fl_ros.core.messages.fields import NO_DIGEST
from iot_fl_ros.core.tensors import Tensors
from iot_fl_ros.exchange.chunking import Parcel


class Upload:
    """parcel: the update that may be asked for. seconds: that the last upload took, NaN = unknown.

    model_version: of the global tensors that the update was computed from.
    """

    def __init__(self) -> None:
        self.parcel: Parcel | None = None
        self.seconds = math.nan
        self.model_version = 0
        self._began = 0.0

    def put(self, update: Tensors, round: int, model_version: int) -> None:
        """Take the update of a round."""
        self.model_version = model_version
        self.parcel = Parcel.of(update, round=round, model_version=model_version)

    def clear(self) -> None:
        """Have no update, for example because training failed."""
        self.parcel = None

    @property
    def digest(self) -> bytes:
        """Digest of the update; empty = there is none."""
        return self.parcel.digest if self.parcel else NO_DIGEST

    def begin(self, now: float) -> None:
        """Note that the update is sent."""
        self._began = now

    def accepted(self, now: float) -> None:
        """Note that the aggregator has the update."""
        self.seconds = max(0.0, now - self._began)

    def given_up(self) -> None:
        """Note that the round is over without the update."""
        self.seconds = math.nan
