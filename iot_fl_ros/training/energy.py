"""Energy of a robot that learns: from time and bytes, by a linear model.

joules = idle_watts * elapsed + compute_watts * training
       + transmit_watts * 8 * sent / radio_rate + receive_watts * 8 * received / radio_rate

The defaults are of the size of a single-board computer with Wi-Fi. They are assumptions: measure
your robots and set `energy.*`.
"""

from __future__ import annotations

from dataclasses import dataclass

from iot_fl_ros.core.config import setting


@dataclass(frozen=True)
class EnergySettings:
    """The power that a robot's computer draws."""

    idle_watts: float = setting(2.5, 'Power while it does nothing, W.', minimum=0.0)
    compute_watts: float = setting(4.0, 'Power of training, above idle, W.', minimum=0.0)
    transmit_watts: float = setting(1.2, 'Power of the radio sending, above idle, W.', minimum=0.0)
    receive_watts: float = setting(
        0.9, 'Power of the radio receiving, above idle, W.', minimum=0.0
    )
    radio_rate: float = setting(20e6, 'Rate of the radio, bit/s.', minimum=1.0)


@dataclass(frozen=True)
class Joules:
    """Energy by what it was spent on, J."""

    idle: float
    compute: float
    transmit: float
    receive: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.idle + self.active

    @property
    def active(self) -> float:
        """Energy of learning above idling."""
        return self.compute + self.transmit + self.receive


def joules_of(
    settings: EnergySettings,
    *,
    elapsed: float,
    training: float,
    bytes_sent: float,
    bytes_received: float,
) -> Joules:
    """Return the energy of a robot that ran for `elapsed` s and trained for `training` s."""
    bits = 8 / settings.radio_rate
    return Joules(
        settings.idle_watts * elapsed,
        settings.compute_watts * training,
        settings.transmit_watts * bytes_sent * bits,
        settings.receive_watts * bytes_received * bits,
    )
