"""Soft labels on the wire: 32, 16 or 8 bits a probability, or only the most likely class.

A codec may code the difference to a reference (labels of the same samples that both ends know)
and pack the result with LZMA. Votes: argmax in ceil(log2 C) bits, as in TallyTrain,
arXiv 2607.00173. Differences and entropy coding: as CFD, arXiv 2012.00632, but lossless.
"""

from __future__ import annotations

import lzma
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.tensors import TensorSpec

LABEL_DTYPES = ('float32', 'float16', 'uint8', 'vote')
# On labels of Fashion-MNIST, LZMA was as small as Zstandard at level 19 and 15 % smaller than
# zlib, and Python brings it along (bench/labels.py).
_LZMA = [{'id': lzma.FILTER_LZMA2, 'preset': 9, 'dict_size': 1 << 16, 'lc': 0, 'lp': 0, 'pb': 0}]
# LZMA2 stores what it cannot shrink, in pieces of up to 64 KiB with 3 bytes each, and one end.
_LZMA_SLACK = 64
_SUM_TOLERANCE = 0.01

Labels = NDArray[np.float32]


@dataclass(frozen=True)
class LabelCodec:
    """Codec between probabilities [N, C] and one tensor `labels`.

    packed: LZMA over the bytes; the tensor's length is then open.
    """

    dtype: str
    classes: int
    packed: bool = False

    def spec(self, rows: int, *, open_rows: bool = False) -> TensorSpec:
        """Return the spec of `rows` labels; open_rows: of at most so many."""
        if self.packed:
            dtype, shape = self._layout(rows)
            size = dtype.itemsize * math.prod(shape)
            return TensorSpec('labels', 'uint8', (-(size + _LZMA_SLACK + size // 1024),))
        sign = -1 if open_rows else 1
        if self.dtype == 'vote':
            return TensorSpec('labels', 'uint8', (sign * vote_bytes(rows, self.classes),))
        return TensorSpec('labels', self.dtype, (sign * rows, self.classes))

    def encode(self, labels: Labels, reference: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return labels as the tensor; reference: symbols to code differences to."""
        symbols = self.symbols(labels)
        if reference is not None:
            symbols = self._wrap(symbols.astype(np.int16) - reference)
        if not self.packed:
            return pack_votes(symbols, self.classes) if self.dtype == 'vote' else symbols
        data = np.ascontiguousarray(symbols, symbols.dtype.newbyteorder('<')).tobytes()
        packed = lzma.compress(data, lzma.FORMAT_RAW, filters=_LZMA)
        return np.frombuffer(packed, np.uint8)

    def decode(
        self, tensor: NDArray[Any], rows: int, reference: NDArray[Any] | None = None
    ) -> Labels:
        """Return float32 probabilities [rows, C] that sum to 1; MessageError if they cannot."""
        symbols = self.read_symbols(tensor, rows, reference)
        check_symbols(symbols, self.dtype, self.classes)
        return self.labels_of(symbols)

    def labels_of(self, symbols: NDArray[Any]) -> Labels:
        """Return the probabilities [N, C] that checked symbols stand for."""
        if self.dtype == 'vote':
            return np.eye(self.classes, dtype=np.float32)[symbols]
        values = symbols.astype(np.float32)
        return values / values.sum(axis=1, keepdims=True)

    def read_symbols(
        self, tensor: NDArray[Any], rows: int, reference: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Return what `symbols` made: [rows, C], or [rows] for votes; not checked."""
        if self.packed:
            symbols = self._unpack(tensor, rows)
        elif self.dtype == 'vote':
            symbols = unpack_votes(tensor, rows, self.classes)
        else:
            symbols = tensor
        if len(symbols) != rows:
            raise MessageError('bad length', f'labels of {len(symbols)} samples, not {rows}')
        if reference is None:
            return symbols
        return self._wrap(symbols.astype(np.int16) + reference)

    def symbols(self, labels: Labels) -> NDArray[Any]:
        """Return probabilities as they are coded: [N, C], or class numbers [N] for votes."""
        if self.dtype == 'vote':
            return labels.argmax(axis=1).astype(np.uint8)
        if self.dtype == 'uint8':
            return np.rint(labels * 255).astype(np.uint8)
        return labels.astype(self.dtype)

    def _wrap(self, values: NDArray[np.int16]) -> NDArray[np.uint8]:
        return np.mod(values, self.classes if self.dtype == 'vote' else 256).astype(np.uint8)

    def _layout(self, rows: int) -> tuple[np.dtype, tuple[int, ...]]:
        """Return data type and shape of the symbols of `rows` labels."""
        if self.dtype == 'vote':
            return np.dtype(np.uint8), (rows,)
        return np.dtype(self.dtype).newbyteorder('<'), (rows, self.classes)

    def _unpack(self, tensor: NDArray[np.uint8], rows: int) -> NDArray[Any]:
        dtype, shape = self._layout(rows)
        size = dtype.itemsize * math.prod(shape)
        decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_LZMA)
        try:
            # One byte more than wanted shows a stream that is too long.
            data = decoder.decompress(tensor.tobytes(), size + 1)
        except lzma.LZMAError as error:
            raise MessageError('not packed', f'labels cannot be unpacked: {error}') from error
        if len(data) != size:
            raise MessageError('bad length', f'unpacked labels are not {size} bytes')
        return np.frombuffer(data, dtype).reshape(shape)


def check_symbols(symbols: NDArray[Any], dtype: str, classes: int) -> None:
    """Raise MessageError unless every row can be an encoded distribution, or a class."""
    if dtype == 'vote':
        if (symbols >= classes).any():
            raise MessageError('out of range', f'a vote is not below {classes}')
        return
    values, slack = symbols.astype(np.float32), 0.0
    if dtype == 'uint8':
        # Each of the C entries is rounded by at most one half.
        values, slack = values / np.float32(255), classes / 510
    if not np.isfinite(values).all() or (values < 0).any():
        raise MessageError('not finite', 'labels hold NaN, infinity or negative values')
    sums = values.sum(axis=1)
    if (np.abs(sums - 1) > slack + _SUM_TOLERANCE).any() or (sums <= 0).any():
        raise MessageError('no distribution', 'rows of labels do not sum to 1')


def vote_bits(classes: int) -> int:
    """Return ceil(log2 C), at least 1."""
    return max(1, (classes - 1).bit_length())


def vote_bytes(rows: int, classes: int) -> int:
    """Return the size of packed votes."""
    return -(-rows * vote_bits(classes) // 8)


def pack_votes(votes: NDArray[np.uint8], classes: int) -> NDArray[np.uint8]:
    """Return class numbers [N] in ceil(log2 C) bits each, most significant bit first."""
    bits = np.unpackbits(votes[:, None], axis=1)[:, 8 - vote_bits(classes) :]
    return np.packbits(bits.reshape(-1))


def unpack_votes(packed: NDArray[np.uint8], rows: int, classes: int) -> NDArray[np.uint8]:
    """Return the class numbers [rows] that `pack_votes` packed; they may be out of range."""
    width = vote_bits(classes)
    if len(packed) != vote_bytes(rows, classes):
        raise MessageError('bad length', f'{len(packed)} bytes are not {rows} votes')
    bits = np.unpackbits(packed)[: rows * width].reshape(rows, width)
    padded = np.concatenate([np.zeros((rows, 8 - width), np.uint8), bits], axis=1)
    return np.packbits(padded, axis=1)[:, 0]
