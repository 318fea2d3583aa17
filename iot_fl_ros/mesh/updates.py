"""The last updates of a peer, which neighbours may still ask for."""

from __future__ import annotations

from iot_fl_ros.core.messages.fields import NO_DIGEST
from iot_fl_ros.core.tensors import Tensors
from iot_fl_ros.exchange.chunking import Parcel
from iot_fl_ros.mesh.rounds import KEPT_ROUNDS


class Updates:
    """round, digest: of the update that is announced; no digest = the round has none."""

    def __init__(self) -> None:
        self.round = 0
        self.digest = NO_DIGEST
        self.kept: list[Parcel] = []

    def put(self, round: int, update: Tensors | None) -> None:
        """Take the update of `round`; None = there is none, and that is announced too."""
        self.round, self.digest = round, NO_DIGEST
        if update is not None:
            parcel = Parcel.of(update, round=round, model_version=0)
            self.kept = [*self.kept, parcel][-KEPT_ROUNDS:]
            self.digest = parcel.digest

    @property
    def newest(self) -> Parcel | None:
        """The update that is announced."""
        return self.kept[-1] if self.digest else None
