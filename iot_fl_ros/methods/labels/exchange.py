"""Labels of open samples on the wire and in memory: their choice, code and reference.

Both ends of DS-FL hold the same labels of earlier rounds in their memory; a label cache uses them
again, differences refer to them.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.federation import RunInfo
from iot_fl_ros.core.seeds import generator
from iot_fl_ros.core.tensors import Tensors, TensorSpec
from iot_fl_ros.methods.labels.codec import LabelCodec, check_symbols
from iot_fl_ros.methods.labels.sample_selection import mask_spec, pack_mask, unpack_mask

_LABELS = 'labels'
_SELECTED = 'selected'

Indices = NDArray[np.int64]
Labels = NDArray[np.float32]
Mask = NDArray[np.bool_]
Memory = dict[str, NDArray[Any]]
_ROUNDS = 'label_rounds'


class LabelExchange:
    """The labels of one run.

    keep: rounds for which a label is good (1 = its own). block: rounds within which differences
    refer to each other (0 = no differences).
    """

    def __init__(
        self, info: RunInfo, codec: LabelCodec, *, per_round: int, keep: int, block: int
    ) -> None:
        self._size = max(1, info.open_set_size)
        self._codec = codec
        self._keep = keep
        self._block = block
        self._schedule = open_schedule(info.seed, self._size, per_round, keep)

    @property
    def remembers(self) -> bool:
        """True if a set of labels builds upon earlier ones."""
        return self._keep > 1 or self._block > 0

    def asked(self, round: int) -> Indices:
        """Return the open samples, sorted, whose labels are sent in `round`."""
        return self._schedule.asked(round)

    def needs_since(self, round: int) -> int:
        """Return the oldest round with a label that is good in `round`, or is referred to."""
        oldest = max(1, round - self._keep + 1)
        return self._block_start(oldest) if self._block else oldest

    def specs(self, round: int, *, chosen: bool) -> tuple[TensorSpec, ...]:
        """Return the tensors of labels; chosen: for some of the samples only, with a mask."""
        samples = len(self.asked(round))
        labels = self._codec.spec(samples, open_rows=chosen)
        return (labels, mask_spec(samples)) if chosen else (labels,)

    def check(self, tensors: Tensors, round: int) -> None:
        """Raise MessageError if tensors cannot be labels.

        What differences stand for is only known to who remembers what they refer to.
        """
        rows = int(_mask_of(tensors, len(self.asked(round))).sum())
        symbols = self._codec.read_symbols(tensors[_LABELS], rows)
        if not self._block:
            check_symbols(symbols, self._codec.dtype, self._codec.classes)

    def encode(
        self, memory: Memory, round: int, labels: Labels, mask: Mask | None
    ) -> dict[str, NDArray[Any]]:
        """Return the tensors of `labels` [M, C]: those of the samples in `mask`, None = of all."""
        asked = self.asked(round)
        indices = asked if mask is None else asked[mask]
        reference = self._reference(memory, round, indices)
        tensors = {_LABELS: self._codec.encode(labels, reference)}
        return tensors if mask is None else tensors | {_SELECTED: pack_mask(mask)}

    def decode(self, memory: Memory, tensors: Tensors, round: int) -> tuple[Labels, Mask]:
        """Return (labels of all samples asked for [N, C], zero where none came; which came).

        MessageError if they are no labels.
        """
        asked = self.asked(round)
        mask = _mask_of(tensors, len(asked))
        labels = np.zeros((len(asked), self._codec.classes), np.float32)
        reference = self._reference(memory, round, asked[mask])
        labels[mask] = self._codec.decode(tensors[_LABELS], int(mask.sum()), reference)
        return labels, mask

    def decode_all(
        self, memory: Memory, updates: Mapping[str, Tensors], round: int
    ) -> tuple[dict[str, Labels], Mask]:
        """Return labels [N, C] by sorted robot id, and which of them came [n, N].

        Updates that cannot be decoded are left out.
        """
        labels: dict[str, Labels] = {}
        masks = []
        for robot_id, tensors in sorted(updates.items()):
            with contextlib.suppress(MessageError):
                labels[robot_id], mask = self.decode(memory, tensors, round)
                masks.append(mask)
        return labels, np.array(masks, bool)

    def remember(self, memory: Memory, round: int, labels: Labels, mask: Mask) -> None:
        """Keep the labels of a global set, as `decode` returned them."""
        symbols = self._codec.symbols(labels[mask])
        LabelMemory(memory).remember(self._size, self.asked(round)[mask], symbols, round)

    def good(self, memory: Memory, round: int) -> tuple[Indices, Labels]:
        """Return the open samples of `round` that have a good label, and the labels."""
        drawn = self._schedule.drawn(round)
        kept = LabelMemory(memory)
        good = drawn[kept.known(drawn, round - self._keep + 1)]
        if not len(good):
            return good, np.zeros((0, self._codec.classes), np.float32)
        return good, self._codec.labels_of(kept.symbols(good))

    def _reference(self, memory: Memory, round: int, indices: Indices) -> NDArray[Any] | None:
        """Return the symbols that differences of `round` refer to; zero where there are none."""
        if not self._block:
            return None
        kept = LabelMemory(memory)
        known = kept.known(indices, self._block_start(round))
        shape = () if self._codec.dtype == 'vote' else (self._codec.classes,)
        reference = np.zeros((len(indices), *shape), np.uint8)
        if known.any():
            reference[known] = kept.symbols(indices[known])
        return reference

    def _block_start(self, round: int) -> int:
        """Return the first round of the block of `round`."""
        return (round - 1) // self._block * self._block + 1


def _mask_of(tensors: Tensors, samples: int) -> Mask:
    if _SELECTED not in tensors:
        return np.ones(samples, bool)
    return unpack_mask(tensors[_SELECTED], samples)


class LabelMemory:
    """A view of a participant's memory, which its checkpoint keeps."""

    def __init__(self, memory: dict[str, NDArray[Any]]) -> None:
        self._memory = memory

    def remember(
        self, size: int, indices: NDArray[np.int64], symbols: NDArray[Any], round: int
    ) -> None:
        """Keep the symbols of labels (see LabelCodec) that came out of `round`.

        size: samples of the open set.
        """
        if _LABELS not in self._memory:
            self._memory[_LABELS] = np.zeros((size, *symbols.shape[1:]), symbols.dtype)
            self._memory[_ROUNDS] = np.zeros(size, np.int64)
        self._memory[_LABELS][indices] = symbols
        self._memory[_ROUNDS][indices] = round

    def known(self, indices: NDArray[np.int64], since: int) -> NDArray[np.bool_]:
        """Return which of `indices` have a label of round `since` or later."""
        if _ROUNDS not in self._memory:
            return np.zeros(len(indices), bool)
        rounds = self._memory[_ROUNDS][indices]
        known: NDArray[np.bool_] = (rounds > 0) & (rounds >= since)
        return known

    def symbols(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        """Return the symbols kept for `indices`, which must be known."""
        return self._memory[_LABELS][indices]


class OpenSchedule:
    """The open samples of every round of one run, and those among them to be labelled anew.

    The soft-label cache of SCARLET, arXiv 2504.19602: a label of round s is used again in round r
    as long as s + D > r. Here both ends compute from the run's seed which labels are still good,
    so no signal travels and they cannot disagree about an age of exactly D. keep: D; 1 = a label
    is good only in its own round.
    """

    def __init__(self, seed: int, size: int, per_round: int, keep: int) -> None:
        self._seed, self._size, self._keep = seed, size, keep
        self._per_round = min(per_round, size)
        self._asked: list[Indices] = []
        self._asked_in = np.zeros(size if keep > 1 else 0, np.int64)
        self._lock = threading.Lock()  # robots of one process share a schedule

    def drawn(self, round: int) -> Indices:
        """Return the sorted open samples that `round` uses."""
        rng = generator(self._seed, 'open', round)
        return np.sort(rng.choice(self._size, self._per_round, replace=False))

    def asked(self, round: int) -> Indices:
        """Return those of them whose label is asked for, because none is good any more."""
        if round < 1:
            return np.zeros(0, np.int64)
        if self._keep <= 1:
            return self.drawn(round)
        with self._lock:
            while len(self._asked) < round:
                now = len(self._asked) + 1
                drawn = self.drawn(now)
                last = self._asked_in[drawn]
                fresh = drawn[(last == 0) | (last + self._keep <= now)]
                self._asked_in[fresh] = now
                self._asked.append(fresh)
            return self._asked[round - 1]


@lru_cache(maxsize=8)
def open_schedule(seed: int, size: int, per_round: int, keep: int) -> OpenSchedule:
    """Return the schedule of a run; robots of one process share it."""
    return OpenSchedule(seed, size, per_round, keep)
