"""FedProx: FedAvg whose robots are held near the global model.

Li et al., arXiv 1812.06127, equation 2.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from iot_fl_ros.core.config import setting
from iot_fl_ros.methods.fedavg import FedAvg, FedAvgSettings
from iot_fl_ros.training.trainer import Schedule


@dataclass(frozen=True)
class FedProxSettings(FedAvgSettings):
    """Settings of FedProx."""

    mu: float = setting(0.01, 'Weight of the proximal term mu/2 |w - w_global|^2.', minimum=0.0)


class FedProx(FedAvg):
    """As FedAvg; the loss of a robot grows with the distance to where it started the round."""

    Settings = FedProxSettings
    settings: FedProxSettings

    def schedule(self) -> Schedule:
        """Return how a robot trains, with the proximal term."""
        return dataclasses.replace(super().schedule(), proximal=self.settings.mu)
