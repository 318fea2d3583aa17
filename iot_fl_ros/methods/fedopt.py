"""FedAdam and FedYogi: the aggregator treats the mean change of the robots as a gradient.

Reddi et al., arXiv 2003.00295, algorithm 2.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.config import setting
from iot_fl_ros.exchange.open_round import Update
from iot_fl_ros.methods.fedavg import FedAvg, FedAvgSettings
from iot_fl_ros.methods.method import Participant

_MOMENT = 'moment'
_SPREAD = 'spread'

Vector = NDArray[np.float32]


@dataclass(frozen=True)
class FedOptSettings(FedAvgSettings):
    """Settings of FedAdam and FedYogi."""

    server_learning_rate: float = setting(0.01, 'Step of the aggregator (eta).', minimum=0.0)
    beta_1: float = setting(0.9, 'Decay of the first moment.', minimum=0.0, maximum=0.9999)
    beta_2: float = setting(0.99, 'Decay of the second moment.', minimum=0.0, maximum=0.9999)
    clip: float = setting(
        1.0, 'Largest change of a value that the aggregator takes from a round.', minimum=0.0
    )
    tau: float = setting(1e-3, 'Added to the root of the second moment.', minimum=1e-12)


class _FedOpt(FedAvg):
    """The base of both; the moments are in the aggregator's memory."""

    Settings = FedOptSettings
    settings: FedOptSettings

    def mean_state(self, participant: Participant, updates: Sequence[Update]) -> Vector:
        """Return w + eta m / (sqrt(v) + tau) of what is trained; the rest as of FedAvg."""
        settings = self.settings
        mean, state = super().mean_state(participant, updates), participant.trainer.state()
        # One absurd update would otherwise rule the second moment for hundreds of rounds.
        change = np.clip(mean - state, -settings.clip, settings.clip)
        beta_1 = np.float32(settings.beta_1)
        moment = participant.memory.get(_MOMENT, np.zeros_like(state))
        spread = participant.memory.get(_SPREAD, np.full_like(state, settings.tau**2))
        moment = beta_1 * moment + (1 - beta_1) * change
        spread = self.next_spread(spread, change**2)
        participant.memory[_MOMENT], participant.memory[_SPREAD] = moment, spread
        step = moment / (np.sqrt(spread) + np.float32(settings.tau))
        trained = participant.trainer.trained_values()
        return np.where(trained, state + np.float32(settings.server_learning_rate) * step, mean)

    @abstractmethod
    def next_spread(self, spread: Vector, square: Vector) -> Vector:
        """Return the second moment after a change whose square is `square`."""


class FedAdam(_FedOpt):
    """v = beta_2 v + (1 - beta_2) change^2."""

    def next_spread(self, spread: Vector, square: Vector) -> Vector:
        """Return the exponential mean of the squares."""
        beta_2 = np.float32(self.settings.beta_2)
        return beta_2 * spread + (1 - beta_2) * square


class FedYogi(_FedOpt):
    """v = v - (1 - beta_2) change^2 sign(v - change^2)."""

    def next_spread(self, spread: Vector, square: Vector) -> Vector:
        """Return a second moment that moves by at most (1 - beta_2) change^2."""
        beta_2 = np.float32(self.settings.beta_2)
        return spread - (1 - beta_2) * square * np.sign(spread - square)
