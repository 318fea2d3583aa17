"""Global sets that build upon each other: each names the one before it by its digest.

The digest of a set covers the name of its predecessor, so a robot that knows the newest digest
can check every set behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from iot_fl_ros.core.messages.fields import DIGEST_BYTES, NO_DIGEST
from iot_fl_ros.core.tensors import Tensors, TensorSpec, from_payload
from iot_fl_ros.exchange.chunking import Parcel
from iot_fl_ros.methods.method import StarMethod

_PREVIOUS = 'previous'
_SPEC = TensorSpec(_PREVIOUS, 'uint8', (DIGEST_BYTES,))


def wire_specs(method: StarMethod, round: int) -> tuple[TensorSpec, ...]:
    """Return the specs of the global set of `round` as it crosses the wire."""
    specs = method.global_specs(round)
    return (*specs, _SPEC) if method.chained and specs else specs


def previous_of(tensors: Tensors) -> bytes:
    """Return the digest of the set before these, empty if there is none."""
    digest = tensors[_PREVIOUS].tobytes() if _PREVIOUS in tensors else NO_DIGEST
    return digest if any(digest) else NO_DIGEST


def without_link(tensors: Tensors) -> Tensors:
    """Return the tensors of the method alone."""
    return {name: tensor for name, tensor in tensors.items() if name != _PREVIOUS}


class GlobalSets:
    """`kept`: the global sets that a robot may ask for, the newest and those it builds upon."""

    def __init__(self, method: StarMethod) -> None:
        self._method = method
        self.kept: list[Parcel] = []

    def add(self, tensors: Tensors, *, round: int, model_version: int) -> None:
        """Add the newest set; forget what it does not build upon."""
        if self._method.chained and tensors:
            previous = self.newest.digest if self.kept and self.newest.specs else b''
            link = np.frombuffer(previous or bytes(DIGEST_BYTES), np.uint8)
            tensors = {**tensors, _PREVIOUS: link}
        since = self._method.needs_since(round) if self._method.chained else round
        parcel = Parcel.of(tensors, round=round, model_version=model_version)
        self.kept.append(parcel)
        # A robot stops walking back at the first set that is not newer than `since`.
        while len(self.kept) > 1 and self.kept[1].labels['round'] <= since:
            del self.kept[0]

    @property
    def newest(self) -> Parcel:
        """The newest set."""
        return self.kept[-1]

    def newest_tensors(self) -> Tensors:
        """Return the tensors of the method in the newest set."""
        return without_link(from_payload(self.newest.specs, self.newest.payload))

    def state(self) -> tuple[list[dict[str, int]], Tensors]:
        """Return what a checkpoint keeps: a line about each set, and all tensors."""
        lines, tensors = [], {}
        for number, parcel in enumerate(self.kept):
            lines.append(dict(parcel.labels))
            for name, tensor in from_payload(parcel.specs, parcel.payload).items():
                tensors[f'{number}.{name}'] = tensor
        return lines, tensors

    def restore(self, lines: Sequence[Mapping[str, int]], tensors: Tensors) -> None:
        """Go on from what `state` returned."""
        for number, line in enumerate(lines):
            start = f'{number}.'
            own = {n.removeprefix(start): t for n, t in tensors.items() if n.startswith(start)}
            # Tensors come back from a file in any order; the payload has that of the method.
            names = [spec.name for spec in wire_specs(self._method, line['round'])]
            ordered = {name: own[name] for name in names if name in own}
            self.kept.append(
                Parcel.of(ordered, round=line['round'], model_version=line['model_version'])
            )
