"""COMtune: fine-tune head and tail with the codec and a lossy link between them.

Itahara, Nishio et al., arXiv 2112.09407 (and 2104.13629); what the papers leave open is ours, see
docs/split.md.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from iot_fl_ros.core.config import setting
from iot_fl_ros.link.link import Link
from iot_fl_ros.link.settings import LinkSettings
from iot_fl_ros.split.codec import FeatureCodec
from iot_fl_ros.split.cut import Cut
from iot_fl_ros.split.emulation import EmulatedChannel
from iot_fl_ros.split.training import Objective

Outputs = torch.Tensor | tuple[torch.Tensor, ...]


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
        minimum=0.0,
        maximum=1.0,
    )


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
        result: Outputs = self.tail(*self.channel(self.cut.features(x), keep))
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
                wanted_outputs = teacher[1](*features)
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
