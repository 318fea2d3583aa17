"""COMtune: fine-tune head and tail with the codec and a lossy link between them.

Itahara, Nishio et al., arXiv 2112.09407 (and 2104.13629); what the papers leave open is ours, see
docs/split.md. What it trains through is the codec and the link inside the model, differentiable.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from iot_fl_ros.core.config import setting
from iot_fl_ros.link.link import Link, LinkSettings
from iot_fl_ros.split.codec import FeatureCodec
from iot_fl_ros.split.cut import Cut
from iot_fl_ros.split.quantiser import LEVEL_BITS
from iot_fl_ros.split.training import Objective

Outputs = torch.Tensor | tuple[torch.Tensor, ...]


class EmulatedChannel(nn.Module):
    """Does to a batch of features what encoding, losing packets and decoding do.

    The same arithmetic as `FeatureCodec`, in torch; rounding passes gradients on as they are
    (straight-through), values out of range do not. It stands between head and tail in training
    only: with a real link in between, losses would be applied twice.
    """

    packet_of: torch.Tensor

    def __init__(self, codec: FeatureCodec) -> None:
        super().__init__()
        self.codec = codec
        self.register_buffer('packet_of', torch.from_numpy(codec.layout.packet_of))
        for name, value in codec.constants.items():
            self.register_buffer(name, torch.from_numpy(value))

    def forward(
        self, parts: tuple[torch.Tensor, ...], keep: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, ...]:
        """Return the features as the receiver has them.

        parts: tensors [N, *shape]. keep: bool [N, packets], [N, coded elements], or None = all
        arrive.
        """
        spec = self.codec.spec
        z = torch.cat([part.flatten(1) for part in parts], dim=1)
        if spec.components:
            z = (z - self.get_buffer('pca_mean')) @ self.get_buffer('pca_basis').T
        z = self._quantised(z)
        if keep is not None:
            z = self._filled(z, keep)
        if spec.components:
            z = z @ self.get_buffer('pca_basis') + self.get_buffer('pca_mean')
        sizes = [math.prod(shape) for shape in spec.shapes]
        pieces = zip(z.split(sizes, dim=1), spec.shapes, strict=True)
        return tuple(piece.reshape(-1, *shape) for piece, shape in pieces)

    def _filled(self, z: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
        """Return `z` with lost elements filled as the codec fills them."""
        spec = self.codec.spec
        if keep.shape[1] == self.codec.layout.packets:
            keep = keep[:, self.packet_of]
        mask = keep.to(z.dtype)
        if spec.fill == 'mean':
            return z * mask + self.get_buffer('mean') * (1 - mask)
        if spec.compensate:
            mask = mask * (spec.coded / mask.sum(dim=1, keepdim=True).clamp(min=1))
        return z * mask

    def _quantised(self, z: torch.Tensor) -> torch.Tensor:
        spec = self.codec.spec
        if spec.bits == 16:
            return z + (z.half().float() - z).detach()
        if spec.bits not in LEVEL_BITS:
            return z
        low, high = self._range(z)
        step = (high - low).clamp(min=1e-12) / ((1 << spec.bits) - 1)
        inside = torch.minimum(torch.maximum(z, low), high)
        # As the codec: multiplied by 1/step, and halves go to the even level.
        rounded = low + step * torch.round((inside - low) * (1 / step))
        return inside + (rounded - inside).detach()

    def _range(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if self.codec.fixed_range:
            bits = self.codec.spec.bits
            return self.get_buffer(f'low_{bits}'), self.get_buffer(f'high_{bits}')
        sizes = [part.stop - part.start for part in self.codec.parts_with_own_range]
        pieces = z.detach().split(sizes, dim=1)
        low = [piece.amin(1, keepdim=True).expand_as(piece) for piece in pieces]
        high = [piece.amax(1, keepdim=True).expand_as(piece) for piece in pieces]
        return torch.cat(low, dim=1), torch.cat(high, dim=1)


@dataclass(frozen=True)
class LossSettings:
    """Losses that the model is tuned for."""

    low: float = setting(
        0.0, 'Smallest share of packets lost; drawn anew for each sample from low..high.',
        minimum=0.0, maximum=1.0,
    )  # fmt: skip
    high: float = setting(0.9, 'Largest share of packets lost.', minimum=0.0, maximum=1.0)
    unit: str = setting(
        'packet',
        'What is lost at once: packet, as on the wire, or element (dropout; as if every packet '
        'had one element).',
        choices=('packet', 'element'),
    )
    teacher: float = setting(
        0.5,
        'Weight of imitating the untuned model on lossless features; the rest is for the labels.',
        minimum=0.0, maximum=1.0,
    )  # fmt: skip


class LossDraw:
    """Draws which elements arrive, for a batch: at random rates, or as a given link has it."""

    def __init__(self, codec: FeatureCodec, settings: LossSettings, link: LinkSettings) -> None:
        self._settings = settings
        self._units = codec.layout.packets if settings.unit == 'packet' else codec.spec.coded
        # A link with losses of its own (bursts, a trace) replaces the random rates.
        self._link = link if link.loss or link.trace else None

    def __call__(self, count: int) -> torch.Tensor:
        """Return bool [count, packets or coded elements], from torch's random state."""
        if self._link:
            # A link of its own for each batch, so that a resumed training sees the same losses.
            link = Link(replace(self._link, seed=int(torch.randint(1 << 31, ()))), 'comtune')
            return torch.from_numpy(link.arrivals(count, self._units))
        low, high = self._settings.low, self._settings.high
        rates = low + (high - low) * torch.rand(count, 1)
        return torch.rand(count, self._units) >= rates


class TunedSplit(nn.Module):
    """Head, emulated channel and tail in a row."""

    def __init__(self, cut: Cut, codec: FeatureCodec) -> None:
        super().__init__()
        self.cut = cut
        self.head, self.tail = cut.head, cut.tail
        self.channel = EmulatedChannel(codec)

    def forward(self, x: torch.Tensor, keep: torch.Tensor | None = None) -> Outputs:
        """Return the tail's outputs; keep: see `EmulatedChannel.forward`."""
        # Copies: a tail may begin with a layer that works in place.
        received = [one.clone() for one in self.channel(self.cut.features(x), keep)]
        result: Outputs = self.tail(*received)
        return result


def tuning_objective(
    split: TunedSplit, draw: LossDraw, labels: NDArray[np.int64] | None, settings: LossSettings
) -> Objective:
    """Return the loss to minimise: on the labels, and on what the untuned model answers.

    Without labels all weight is on imitation: divergence of the class probabilities for a model
    that returns [N, classes], squared error for others (detectors).
    """
    weight = settings.teacher if labels is not None else 1.0
    teacher = copy.deepcopy(nn.ModuleList([split.head, split.tail])).eval() if weight else None

    def objective(batch: torch.Tensor, indices: NDArray[np.int64]) -> torch.Tensor:
        outputs = split(batch, draw(len(batch)))
        loss = torch.zeros(())
        if labels is not None and weight < 1:
            wanted = torch.from_numpy(labels[indices])
            loss = (1 - weight) * functional.cross_entropy(outputs, wanted)
        if teacher is not None:
            with torch.no_grad():
                features = teacher[0](batch)
                features = features if isinstance(features, tuple) else (features,)
                wanted_outputs = teacher[1](*(one.clone() for one in features))
            loss = loss + weight * _imitation(outputs, wanted_outputs)
        return loss

    return objective


def label_objective(
    model: Callable[[torch.Tensor], torch.Tensor], labels: NDArray[np.int64]
) -> Objective:
    """Return plain cross-entropy, with which the base model is trained."""

    def objective(batch: torch.Tensor, indices: NDArray[np.int64]) -> torch.Tensor:
        return functional.cross_entropy(model(batch), torch.from_numpy(labels[indices]))

    return objective


def _imitation(outputs: Outputs, wanted: Outputs) -> torch.Tensor:
    if isinstance(outputs, torch.Tensor) and isinstance(wanted, torch.Tensor):
        if outputs.ndim == 2:
            return functional.kl_div(
                outputs.log_softmax(1), wanted.log_softmax(1), log_target=True,
                reduction='batchmean',
            )  # fmt: skip
        outputs, wanted = (outputs,), (wanted,)
    losses = [functional.mse_loss(o, w) for o, w in zip(outputs, wanted, strict=True)]
    return torch.stack(losses).mean()
