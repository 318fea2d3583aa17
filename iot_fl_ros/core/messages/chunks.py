"""Sets of named tensors in pieces, and asking for pieces again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.delivery import EXCHANGING, Delivery, Role
from iot_fl_ros.core.messages.fields import (
    Bytes,
    Digest,
    Stamp,
    Text,
    Texts,
    UInt8s,
    UInt16s,
    UInt32,
    UInt32s,
    UInt64,
    UInt64s,
    WireMessage,
    check_digest,
)
from iot_fl_ros.core.tensors import TensorSpec, dtype_name


class Chunk(WireMessage):
    """One piece of a set of named tensors; subclasses have the fields, each in its wire order.

    LABELS: fields that say which set it is, besides its digest.
    """

    __slots__ = ()
    LABELS: ClassVar[tuple[str, ...]]
    if TYPE_CHECKING:
        stamp: float
        run_id: str
        sender_id: str
        sequence: int
        names: tuple[str, ...]
        dtype_codes: tuple[int, ...]
        dtype_bits: tuple[int, ...]
        dtype_lanes: tuple[int, ...]
        ranks: tuple[int, ...]
        dims: tuple[int, ...]
        digest: bytes
        total_bytes: int
        chunk_index: int
        chunk_count: int
        chunk_bytes: int
        data: bytes | memoryview

        def __init__(self, **fields: Any) -> None: ...

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
    stamp: Stamp
    run_id: Text
    sender_id: Text
    round: UInt32
    model_version: UInt32
    sequence: UInt32
    names: Texts
    dtype_codes: UInt8s
    dtype_bits: UInt8s
    dtype_lanes: UInt16s
    ranks: UInt8s
    dims: UInt64s
    digest: Digest
    total_bytes: UInt64
    chunk_index: UInt32
    chunk_count: UInt32
    chunk_bytes: UInt32
    data: Bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkRequest(WireMessage):
    """Asks for pieces that did not arrive."""

    TOPIC: ClassVar[str] = 'chunk_requests'
    DELIVERY: ClassVar[Delivery] = Delivery(EXCHANGING, EXCHANGING, depth=100)
    stamp: Stamp
    run_id: Text
    sender_id: Text
    receiver_id: Text
    digest: Digest
    missing: UInt32s

    def check(self) -> None:
        """Names what is wanted."""
        check_digest('digest', self.digest, True)
