"""Moving a set of tensors in pieces: cutting it, putting it together, seeing what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.chunks import Chunk
from iot_fl_ros.core.tensors import (
    Tensors,
    TensorSpec,
    digest_of,
    from_payload,
    specs_of,
    to_payload,
)

CHUNK_BYTES = 512 * 1024


def chunk_count(total_bytes: int) -> int:
    """Return the number of chunks of a payload, at least one."""
    return max(1, -(-total_bytes // CHUNK_BYTES))


@dataclass(frozen=True)
class Parcel:
    """A set of tensors made ready for the wire: its chunks can be made again at any time.

    labels: what its chunks say of it, by the names in `LABELS` of their class.
    """

    specs: tuple[TensorSpec, ...]
    payload: memoryview
    digest: bytes
    labels: Mapping[str, int]

    @classmethod
    def of(cls, tensors: Tensors, **labels: int) -> Parcel:
        """Serialize and hash `tensors`."""
        payload = to_payload(tensors)
        return cls(specs_of(tensors), payload, digest_of(payload), labels)

    @property
    def chunk_count(self) -> int:
        """Number of chunks, at least one."""
        return chunk_count(len(self.payload))

    def chunks(
        self,
        kind: type[Chunk],
        run_id: str,
        sender_id: str,
        stamp: float,
        first_sequence: int,
        wanted: tuple[int, ...] = (),
    ) -> list[Chunk]:
        """Return the `wanted` chunks (empty = all) as messages of class `kind`, each once."""
        indices = range(self.chunk_count)
        chosen = sorted({i for i in wanted if i < self.chunk_count}) if wanted else indices
        codes = [spec.dlpack for spec in self.specs]
        return [
            kind(
                stamp=stamp,
                run_id=run_id,
                sender_id=sender_id,
                **self.labels,
                sequence=first_sequence + n,
                names=tuple(spec.name for spec in self.specs),
                dtype_codes=tuple(code for code, _ in codes),
                dtype_bits=tuple(bits for _, bits in codes),
                dtype_lanes=(1,) * len(codes),
                ranks=tuple(len(spec.shape) for spec in self.specs),
                dims=tuple(size for spec in self.specs for size in spec.shape),
                digest=self.digest,
                total_bytes=len(self.payload),
                chunk_index=i,
                chunk_count=self.chunk_count,
                chunk_bytes=CHUNK_BYTES,
                data=self.payload[i * CHUNK_BYTES : (i + 1) * CHUNK_BYTES],
            )
            for n, i in enumerate(chosen)
        ]


class Assembly:
    """Puts one set of tensors together. The first chunk decides; the rest must agree with it."""

    def __init__(self, first: Chunk) -> None:
        self.digest = first.digest
        self.labels = first.labels
        self._plan = _shape_of(first)
        self._specs = first.specs
        self._missing = set(range(first.chunk_count))
        # A set of one chunk is the chunk: no copy.
        single = first.chunk_count == 1
        self._payload = memoryview(first.data if single else bytearray(first.total_bytes))

    def add(self, chunk: Chunk) -> None:
        """Place `chunk`; MessageError if it is a duplicate or contradicts the first one."""
        if _shape_of(chunk) != self._plan:
            raise MessageError('contradiction', 'chunk does not match the others of its set')
        if chunk.chunk_index not in self._missing:
            raise MessageError('duplicate', f'chunk {chunk.chunk_index} is already here')
        if chunk.chunk_count > 1:
            start = chunk.chunk_index * chunk.chunk_bytes
            self._payload[start : start + len(chunk.data)] = chunk.data
        self._missing.discard(chunk.chunk_index)

    @property
    def missing(self) -> tuple[int, ...]:
        """Indices of the chunks that have not arrived."""
        return tuple(sorted(self._missing))

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the tensors once nothing is missing; MessageError if the hash is wrong."""
        if digest_of(self._payload) != self.digest:
            raise MessageError('bad hash', 'payload does not have the announced BLAKE3 digest')
        return from_payload(self._specs, self._payload)


def _shape_of(chunk: Chunk) -> tuple:
    return chunk.digest, chunk.labels, chunk.specs, chunk.total_bytes, chunk.chunk_count
