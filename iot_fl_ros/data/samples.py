"""The values of the data room: samples with or without labels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.core.tensors import digest_of


@dataclass(frozen=True)
class Samples:
    """Samples of one shape.

    values: uint8 (0..255) or float32 array [N, channels, height, width] (any [N, ...] for other
    models); labels: int64 array [N], or None; class_names: in the order of the labels.
    """

    values: NDArray[Any]
    labels: NDArray[np.int64] | None
    class_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.values.dtype not in (np.uint8, np.float32):
            raise DataError(f'samples are {self.values.dtype}: convert them to uint8 or float32')
        if self.labels is not None and len(self.labels) != len(self.values):
            raise DataError(f'{len(self.values)} samples have {len(self.labels)} labels')
        if self.labels is not None:
            self._check_labels(self.labels)

    def _check_labels(self, labels: NDArray[Any]) -> None:
        """Make labels int64; DataError for one that is no number of a class."""
        if labels.dtype.kind not in 'iu':
            raise DataError(f'labels are {labels.dtype}: integers from 0 are needed')
        if labels.dtype != np.int64:
            object.__setattr__(self, 'labels', labels.astype(np.int64))
        low, high = (int(labels.min()), int(labels.max())) if len(labels) else (0, -1)
        classes = len(self.class_names)
        if low < 0 or (classes and high >= classes):
            wrong = low if low < 0 else high
            wanted = (
                f'from 0 to {classes - 1}, as there are {classes} classes' if classes else 'from 0'
            )
            raise DataError(f'a label is {wrong}: labels are integers {wanted}')

    def __len__(self) -> int:
        return len(self.values)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return tuple(self.values.shape[1:])

    def flat(self) -> NDArray[np.float32]:
        """Return the values as float32 [N, D]; bytes become 0..1."""
        values: NDArray[np.float32] = self.values.reshape(len(self), -1).astype(np.float32)
        return values / np.float32(255) if self.values.dtype == np.uint8 else values

    def take(self, indices: NDArray[np.int64]) -> Samples:
        """Return a copy of the samples at `indices`."""
        labels = None if self.labels is None else self.labels[indices]
        return Samples(self.values[indices], labels, self.class_names)

    def unlabelled(self) -> Samples:
        """Return the samples without their labels."""
        return Samples(self.values, None)

    def with_classes(self, names: tuple[str, ...]) -> Samples:
        """Return the samples labelled in the order of `names`; DataError if one is not in it."""
        if self.labels is None or names == self.class_names:
            return self
        if not self.class_names:
            return Samples(self.values, self.labels, names)
        unknown = sorted(set(self.class_names) - set(names))
        if unknown:
            raise DataError(f'classes {unknown} are not among those of the run: {list(names)}')
        index = np.array([names.index(name) for name in self.class_names], np.int64)
        return Samples(self.values, index[self.labels], names)

    def digest(self) -> bytes:
        """Return the BLAKE3 digest of the values."""
        return self._digest

    def labelled_digest(self) -> bytes:
        """Return the BLAKE3 digest of values, labels and class names."""
        labels = b'' if self.labels is None else self.labels.tobytes()
        names = '\0'.join(self.class_names).encode()
        return digest_of(b''.join([self.digest(), digest_of(labels), digest_of(names)]))

    @cached_property
    def _digest(self) -> bytes:
        return digest_of(np.ascontiguousarray(self.values).reshape(-1).view(np.uint8).data)
