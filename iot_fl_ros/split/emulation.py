"""The codec and the link inside a model, differentiable: what COMtune trains through."""

from __future__ import annotations

import math

import torch
from torch import nn

from iot_fl_ros.split.codec import FeatureCodec
from iot_fl_ros.split.quantiser import LEVEL_BITS


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
        pieces = z.split(sizes, dim=1)
        return tuple(
            piece.reshape(-1, *shape) for piece, shape in zip(pieces, spec.shapes, strict=True)
        )

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
