"""Time that a robot has been there and has computed, and the energy that follows."""

from __future__ import annotations

from dataclasses import dataclass

from iot_fl_ros.exchange.endpoint import Endpoint
from iot_fl_ros.training.energy import EnergySettings, Joules, joules_of


@dataclass
class WorkClock:
    """Adds up times since the start, s."""

    energy: EnergySettings
    started: float = 0.0
    computing: float = 0.0

    def joules(self, now: float, endpoint: Endpoint) -> Joules:
        """Return the energy spent until `now`, by the model of the settings."""
        return joules_of(
            self.energy,
            elapsed=max(0.0, now - self.started),
            training=self.computing,
            bytes_sent=endpoint.bytes_sent,
            bytes_received=endpoint.bytes_received,
        )
