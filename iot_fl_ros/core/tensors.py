"""Named tensors and their bytes: the codec of everything that crosses the wire or a file.

The payload of a set of tensors is the little-endian row-major data of its members, one after the
other; names, data types (DLPack) and shapes travel beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from iot_fl_ros.core.errors import MessageError

Tensors = Mapping[str, NDArray[Any]]

# DLPack (code, bits) of the data types that may cross the wire.
_DLPACK = {
    'uint8': (1, 8),
    'int64': (0, 64),
    'uint32': (1, 32),
    'float16': (2, 16),
    'float32': (2, 32),
    'float64': (2, 64),
}
_DTYPES = {value: key for key, value in _DLPACK.items()}
_PARALLEL_HASH_FROM = 1 << 20
# Sums, squares and products of so large values are still finite in float32.
MAX_VALUE = 1e8


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Name, NumPy data type and shape of one tensor.

    What a method declares may leave a dimension open: -n stands for 0 to n.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Size of the data, bytes; the largest, where a dimension is open."""
        return abs(math.prod(self.shape)) * _DLPACK[self.dtype][1] // 8

    @property
    def dlpack(self) -> tuple[int, int]:
        """DLPack type code and bits."""
        return _DLPACK[self.dtype]

    def allows(self, other: TensorSpec) -> bool:
        """Return whether `other` is a tensor of this spec."""
        return (
            (self.name, self.dtype, len(self.shape)) == (other.name, other.dtype, len(other.shape))
        ) and all(
            n == size or (n < 0 <= size <= -n)
            for n, size in zip(self.shape, other.shape, strict=True)
        )


def all_allowed(declared: tuple[TensorSpec, ...], found: tuple[TensorSpec, ...]) -> bool:
    """Return whether `found` are the declared tensors, in order."""
    return len(declared) == len(found) and all(
        spec.allows(other) for spec, other in zip(declared, found, strict=True)
    )


def dtype_name(code: int, bits: int, lanes: int) -> str:
    """Return the NumPy name of a DLPack data type; MessageError if it is not supported."""
    if lanes != 1 or (code, bits) not in _DTYPES:
        raise MessageError('bad dtype', f'DLPack type ({code}, {bits}, {lanes}) is not supported')
    return _DTYPES[code, bits]


def specs_of(tensors: Tensors) -> tuple[TensorSpec, ...]:
    """Return the specs of `tensors` in their order."""
    return tuple(TensorSpec(n, str(t.dtype), tuple(t.shape)) for n, t in tensors.items())


def to_payload(tensors: Tensors) -> memoryview:
    """Return the payload of `tensors`; a lone contiguous tensor is not copied."""
    arrays = [np.ascontiguousarray(t, t.dtype.newbyteorder('<')) for t in tensors.values()]
    views = [a.reshape(-1).view(np.uint8).data for a in arrays if a.size]
    return views[0] if len(views) == 1 else memoryview(b''.join(views))


def from_payload(specs: tuple[TensorSpec, ...], payload: memoryview) -> dict[str, NDArray[Any]]:
    """Return read-only views into `payload`, whose length must be that of `specs`."""
    tensors, start = {}, 0
    for spec in specs:
        dtype = np.dtype(spec.dtype).newbyteorder('<')
        array = np.frombuffer(payload, dtype, math.prod(spec.shape), start).reshape(spec.shape)
        array.flags.writeable = False
        tensors[spec.name] = array.astype(spec.dtype, copy=False)
        start += spec.nbytes
    return tensors


def digest_of(payload: memoryview | bytes) -> bytes:
    """Return the BLAKE3 digest of `payload`, 32 bytes."""
    threads = blake3.AUTO if len(payload) >= _PARALLEL_HASH_FROM else 1
    return blake3(payload, max_threads=threads).digest()
