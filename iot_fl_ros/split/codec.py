"""Feature codec: what crosses a cut, as packets of which any share can be decoded.

transform (PCA or none) -> quantiser -> packets; back: what arrived to its place, the rest filled.
Both ends hold the same constants (of the bundle); a packet needs nothing but itself and them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.split.layout import PacketLayout
from iot_fl_ros.split.quantiser import LEVEL_BITS, Affine, best_range

Floats = NDArray[np.float32]
Shapes = tuple[tuple[int, ...], ...]
RANGES = ('channel', 'frame')
FILLS = ('zero', 'mean')
_WORDS = {1: '<u1', 2: '<f2', 4: '<f4'}
MAX_ELEMENTS = 1 << 24
# No feature is larger; with this, all arithmetic on what a stranger sent stays finite.
LARGEST = np.float32(1e9)
_NO_RANGES = np.empty(0, np.float32)


@dataclass(frozen=True)
class CodecSpec:
    """Everything about a codec that is not an array. All of it is constant within an epoch.

    shapes: of the crossing tensors, without the batch. range: `channel` = found on training
    features for each channel, `frame` = smallest and largest value of the frame, sent in every
    packet. components: of PCA; 0 = none. fill: what stands for lost elements; zeros come with
    compensation, all that arrived is scaled by n / received (split.md 1b.6).
    """

    shapes: Shapes
    bits: int = 8
    range: str = 'channel'
    components: int = 0
    fill: str = 'zero'
    compensate: bool = True
    order: str = 'interleaved'
    seed: int = 0
    min_packets: int = 16

    def __post_init__(self) -> None:
        for name, allowed in (('range', RANGES), ('fill', FILLS)):
            value = getattr(self, name)
            if value not in allowed:
                raise ConfigError(f'{name} is {value!r}: {" or ".join(allowed)} is needed')
        sizes_fit = all(shape and min(shape) > 0 for shape in self.shapes)
        if not self.shapes or not sizes_fit or not 0 < self.elements <= MAX_ELEMENTS:
            raise ConfigError(f'features of shapes {self.shapes}: 1..{MAX_ELEMENTS} elements')
        if not 0 <= self.components <= self.elements:
            raise ConfigError(f'components is {self.components} of {self.elements} elements')

    @property
    def elements(self) -> int:
        """Numbers that cross the cut for one frame."""
        return sum(math.prod(shape) for shape in self.shapes)

    @property
    def coded(self) -> int:
        """Numbers that are sent: the elements, or their principal components."""
        return self.components or self.elements

    @property
    def layout(self) -> PacketLayout:
        """Return where the numbers lie in packets."""
        return PacketLayout(self.coded, self.bits, self.order, self.seed, self.min_packets)


class FeatureCodec:
    """Encodes and decodes frames, one or a batch; all arrays have the elements last.

    constants: float32 arrays by name, as `fit` makes them: `mean` [coded]; `low_<bits>` and
    `high_<bits>` [coded] per channel and bits; `pca_mean` [elements], `pca_basis`
    [components, elements].
    """

    def __init__(self, spec: CodecSpec, constants: Mapping[str, Floats]) -> None:
        self.spec = spec
        self.constants = dict(constants)
        self.layout = spec.layout
        needed: dict[str, tuple[int, ...]] = {'mean': (spec.coded,)}
        if spec.components:
            needed['pca_mean'] = (spec.elements,)
            needed['pca_basis'] = (spec.components, spec.elements)
        if self.fixed_range:
            needed |= {f'{end}_{spec.bits}': (spec.coded,) for end in ('low', 'high')}
        for name, shape in needed.items():
            found = constants[name].shape if name in constants else None
            if found != shape:
                text = f'codec constant {name!r} has shape {found}, {shape} is needed'
                raise ConfigError(f'{text}: fit the codec again')
        if self.fixed_range:
            low, high = constants[f'low_{spec.bits}'], constants[f'high_{spec.bits}']
            self._fixed = Affine(low, high, spec.bits)

    @property
    def fixed_range(self) -> bool:
        """True if levels mean the same in every frame."""
        return self.spec.range == 'channel' and self.spec.bits in LEVEL_BITS

    @cached_property
    def range_count(self) -> int:
        """Numbers that every packet has to carry besides its data: low and high of each tensor."""
        sent = self.spec.bits in LEVEL_BITS and not self.fixed_range
        return 2 * len(self.parts_with_own_range) if sent else 0

    def encode(self, features: Floats) -> tuple[NDArray[np.uint8], Floats]:
        """Return (payload, ranges) of `features` [..., elements].

        payload: uint8 [..., packets, packet_bytes]; ranges: float32 [..., range_count].
        """
        z: Any = features
        if self.spec.components:
            z = (z - self.constants['pca_mean']) @ self.constants['pca_basis'].T
        layout = self.layout
        ranges = self._ranges_of(z)
        words: NDArray
        if self.spec.bits in LEVEL_BITS:
            words = self._affine(ranges).quantise(z)
        else:
            words = z.astype(_WORDS[layout.word_bytes])
        # Places that hold no element repeat the last one, which nobody reads.
        rows = words.take(layout.source, axis=-1, mode='clip')
        packed = rows[..., 0, :]
        for slot in range(1, layout.slots_per_word):
            # Faster than a shift of bits.
            packed = packed | (rows[..., slot, :] * np.uint8(1 << (slot * self.spec.bits)))
        payload = np.ascontiguousarray(packed).view(np.uint8)
        return payload.reshape(*z.shape[:-1], layout.packets, layout.packet_bytes), ranges

    def decode(
        self, payload: NDArray[np.uint8], arrived: NDArray[np.bool_], ranges: Floats
    ) -> Floats:
        """Return float32 features [..., elements] from the packets that arrived.

        payload: as of `encode`, zeros in place of lost packets; arrived: bool [..., packets].
        """
        layout = self.layout
        z = self._values(payload, ranges)
        if arrived.all():
            return self._inverse(z)
        weight = arrived.astype(np.float32)
        if self.spec.fill == 'zero' and self.spec.compensate:
            received = arrived @ layout.packet_elements
            weight *= (np.float32(self.spec.coded) / np.maximum(received, 1))[..., None]
        mask = weight.take(layout.packet_of, axis=-1, mode='clip')
        z *= mask
        if self.spec.fill == 'mean':
            z += self.constants['mean'] * (1 - mask)
        return self._inverse(z)

    def with_bits(self, bits: int) -> FeatureCodec:
        """Return the same codec with other bits."""
        return FeatureCodec(replace(self.spec, bits=bits), self.constants)

    def parts(self, features: Floats) -> list[Floats]:
        """Return `features` [..., elements] as one array [..., *shape] per crossing tensor."""
        starts = np.cumsum([math.prod(shape) for shape in self.spec.shapes])[:-1]
        parts = zip(np.split(features, starts, axis=-1), self.spec.shapes, strict=True)
        return [part.reshape(*features.shape[:-1], *shape) for part, shape in parts]

    def _values(self, payload: NDArray[np.uint8], ranges: Floats) -> Floats:
        """Return all numbers, those of lost packets being garbage."""
        layout, bits = self.layout, self.spec.bits
        flat = payload.reshape(*payload.shape[:-2], layout.frame_bytes)
        if bits not in LEVEL_BITS:
            words = flat.view(_WORDS[layout.word_bytes])
            z = words.take(layout.place, axis=-1, mode='clip').astype(np.float32)
            return _finite(z)
        levels = self._unpack(flat).take(layout.place, axis=-1, mode='clip')
        return self._affine(ranges).dequantise(levels)

    def _unpack(self, words: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the level in each place [..., slots_per_word * words]."""
        slots, bits = self.layout.slots_per_word, self.spec.bits
        if slots == 1:
            return words
        count = words.shape[-1]
        levels = np.empty((*words.shape[:-1], slots * count), np.uint8)
        for slot in range(slots):
            row = levels[..., slot * count : (slot + 1) * count]
            np.right_shift(words, np.uint8(slot * bits), out=row)
            if slot < slots - 1:  # nothing is above the last one's bits
                row &= np.uint8((1 << bits) - 1)
        return levels

    def _inverse(self, z: Floats) -> Floats:
        if not self.spec.components:
            return z
        return np.asarray(z @ self.constants['pca_basis'] + self.constants['pca_mean'])

    @cached_property
    def parts_with_own_range(self) -> list[slice]:
        """Slices of the coded numbers that share a range."""
        if self.spec.components:
            return [slice(0, self.spec.coded)]
        ends = np.cumsum([math.prod(shape) for shape in self.spec.shapes])
        return [slice(int(e) - math.prod(s), int(e)) for e, s in zip(ends, self.spec.shapes)]  # noqa: B905

    def _ranges_of(self, z: Floats) -> Floats:
        if not self.range_count:
            return _NO_RANGES if z.ndim == 1 else np.empty((*z.shape[:-1], 0), np.float32)
        parts = [z[..., part] for part in self.parts_with_own_range]
        ends = np.stack([end(p, axis=-1) for p in parts for end in (np.min, np.max)], axis=-1)
        return ends if np.isfinite(ends).all() else self._ranges_of(_finite(z))

    def _affine(self, ranges: Floats) -> Affine:
        if self.fixed_range:
            return self._fixed
        ranges = ranges.clip(-LARGEST, LARGEST)  # they may come from a stranger
        low, high = ranges[..., 0::2], ranges[..., 1::2]
        if len(self.parts_with_own_range) > 1:
            sizes = [part.stop - part.start for part in self.parts_with_own_range]
            low, high = (np.repeat(ends, sizes, axis=-1) for ends in (low, high))
        return Affine(low, high, self.spec.bits)


def _finite(z: Floats) -> Floats:
    """Return `z` without NaN and infinity, and so that sums and scaling stay finite."""
    return np.asarray(np.nan_to_num(z, nan=0.0).clip(-LARGEST, LARGEST))


def fit_codec(spec: CodecSpec, features: Floats) -> FeatureCodec:
    """Return a codec whose constants are found on training `features` [frames, elements].

    Ranges for every number of bits, so that bits can be changed at run time.
    """
    constants: dict[str, Floats] = {}
    z: Any = features
    if spec.components:
        constants['pca_mean'] = features.mean(axis=0, dtype=np.float64).astype(np.float32)
        centred = features - constants['pca_mean']
        # Rows of V are the principal directions, strongest first.
        _, _, directions = np.linalg.svd(centred, full_matrices=False)
        if len(directions) < spec.components:
            raise ConfigError(
                f'{len(features)} frames give {len(directions)} principal components, '
                f'{spec.components} are wanted: fit on more frames'
            )
        constants['pca_basis'] = np.ascontiguousarray(directions[: spec.components], np.float32)
        z = centred @ constants['pca_basis'].T
    constants['mean'] = z.mean(axis=0, dtype=np.float64).astype(np.float32)
    if spec.range == 'channel':
        sizes = _channel_sizes(spec)
        ends = np.cumsum(sizes)
        for bits in LEVEL_BITS:
            pairs = [
                best_range(z[:, end - size : end].reshape(-1), bits)
                for end, size in zip(ends, sizes, strict=True)
            ]
            low, high = np.array(pairs, np.float32).T
            constants[f'low_{bits}'] = np.repeat(low, sizes)
            constants[f'high_{bits}'] = np.repeat(high, sizes)
    return FeatureCodec(spec, constants)


def _channel_sizes(spec: CodecSpec) -> list[int]:
    """Return the number of coded elements of each channel; each component is a channel."""
    if spec.components:
        return [1] * spec.components
    sizes: list[int] = []
    for shape in spec.shapes:
        channels = shape[0] if len(shape) > 1 else 1
        sizes += [math.prod(shape) // channels] * channels
    return sizes
