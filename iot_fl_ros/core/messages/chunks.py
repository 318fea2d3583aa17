"""Sets of named tensors in pieces, and asking for pieces again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages import fields as wire
from iot_fl_ros.core.messages.delivery import EXCHANGING, Delivery, Role
from iot_fl_ros.core.messages.fields import FromSender, check_digest
from iot_fl_ros.core.tensors import TensorSpec, dtype_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk(FromSender):
    """One piece of a set of named tensors; its digest and `LABELS` of subclasses say which."""

    sequence: wire.UInt32
    names: wire.Texts
    dtype_codes: wire.UInt8s
    dtype_bits: wire.UInt8s
    dtype_lanes: wire.UInt16s
    ranks: wire.UInt8s
    dims: wire.UInt64s
    digest: wire.Digest
    total_bytes: wire.UInt64
    chunk_index: wire.UInt32
    chunk_count: wire.UInt32
    chunk_bytes: wire.UInt32
    data: wire.Bytes

    @property
    def labels(self) -> dict[str, int]:
        """The values of `LABELS`."""
        return {name: getattr(self, name) for name in self.LABELS}

    def check(self) -> None:
        """Lengths agree, so that a receiver can allocate and place the data without surprise."""
        check_digest('digest', self.digest, True)
        lists = (self.dtype_codes, self.dtype_bits, self.dtype_lanes, self.ranks)
        if any(len(values) != len(self.names) for values in lists):
            raise MessageError('bad shape', 'each tensor needs a name, a data type and a rank')
        if sum(self.ranks) != len(self.dims):
            raise MessageError('bad shape', f'ranks {self.ranks} against {len(self.dims)} dims')
        if sum(spec.nbytes for spec in self.specs) != self.total_bytes:
            raise MessageError('bad length', f'total_bytes {self.total_bytes} is not the tensors')
        if self.chunk_bytes < 1 or self.chunk_count != max(
            1, -(-self.total_bytes // self.chunk_bytes)
        ):
            raise MessageError('bad length', f'{self.chunk_count} chunks of {self.chunk_bytes} B')
        start = self.chunk_index * self.chunk_bytes
        expected = min(self.chunk_bytes, self.total_bytes - start)
        if self.chunk_index >= self.chunk_count or len(self.data) != expected:
            raise MessageError('bad length', f'chunk {self.chunk_index}: {len(self.data)} bytes')

    @property
    def specs(self) -> tuple[TensorSpec, ...]:
        """Specs of the tensors in the set; MessageError for an unsupported data type."""
        specs, start = [], 0
        for i, name in enumerate(self.names):
            dtype = dtype_name(self.dtype_codes[i], self.dtype_bits[i], self.dtype_lanes[i])
            specs.append(TensorSpec(name, dtype, self.dims[start : start + self.ranks[i]]))
            start += self.ranks[i]
        return tuple(specs)


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorChunk(Chunk):
    """One piece of an update."""

    TOPIC: ClassVar[str] = 'updates'
    DELIVERY: ClassVar[Delivery] = Delivery(
        (Role.ROBOT,), (Role.AGGREGATOR,), from_many=True, keep_all=True
    )
    LABELS: ClassVar[tuple[str, ...]] = ('round', 'model_version')
    round: wire.UInt32
    model_version: wire.UInt32


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkRequest(FromSender):
    """Asks for pieces that did not arrive."""

    TOPIC: ClassVar[str] = 'chunk_requests'
    DELIVERY: ClassVar[Delivery] = Delivery(EXCHANGING, EXCHANGING, depth=100)
    receiver_id: wire.Text
    digest: wire.Digest
    missing: wire.UInt32s

    def check(self) -> None:
        """Names what is wanted."""
        check_digest('digest', self.digest, True)
