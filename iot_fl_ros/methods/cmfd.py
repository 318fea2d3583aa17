"""CMFD: peers exchange soft labels of an open set with their neighbours, without a server.

Taya, Nishio, Morikura, Yamamoto, arXiv 2104.00352 (IEEE TSIPN 8, 2022): consensus-based multi-hop
federated distillation. Choosing what to label: IDKD, arXiv 2304.04326. Votes: TallyTrain, arXiv
2607.00173. Logit adjustment and weighting by familiarity are ours, as in `methods.dsfl`.
"""

from __future__ import annotations

import math
from dataclasses import fields
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.messages.federation import RunInfo
from iot_fl_ros.core.tensors import Tensors, TensorSpec
from iot_fl_ros.methods.dsfl import DISTANCES, DsFl, DsFlSettings
from iot_fl_ros.methods.labels.aggregation import weighted_mean
from iot_fl_ros.methods.labels.aggregation import weights as familiarity_weights
from iot_fl_ros.methods.labels.settings import LabelSettings
from iot_fl_ros.methods.method import MeshMethod, Participant, Sets, Weights, disagreement

Shares = NDArray[np.float32]


class Cmfd(MeshMethod):
    """Update: that of a robot in DS-FL. There is no aggregator: every peer makes its own target.

    Target of peer i: q_i(x) = sum_j w_ij p_j(x) over itself and its neighbours (section III).
    """

    Settings = LabelSettings
    needs_open_set: ClassVar[bool] = True
    settings: LabelSettings

    def __init__(self, settings: LabelSettings, info: RunInfo) -> None:
        super().__init__(settings, info)
        own = {field.name: getattr(settings, field.name) for field in fields(settings)}
        self._labels = DsFl(DsFlSettings(**own), info)

    def update_specs(self, round: int) -> tuple[TensorSpec, ...]:
        """Labels; with selection, its bits; with weighting by familiarity, distances uint8 [N]."""
        return self._labels.update_specs(round)

    def check_values(self, tensors: Tensors, round: int) -> None:
        """Labels must be distributions; any byte is a distance."""
        self._labels.check_values(tensors, round)

    def prepare(self, participant: Participant) -> None:
        """Compare the open set with the private samples, where that does not change."""
        self._labels.prepare(participant)

    def train(self, participant: Participant, round: int) -> tuple[Tensors, float]:
        """Train on private samples, then label the open samples of this round."""
        return self._labels.train(participant, round)

    def mix(
        self, participant: Participant, own: Tensors, received: Sets, weights: Weights, round: int
    ) -> float:
        """Distil the target of this peer into its model; return the disagreement of labels."""
        updates = {**received, participant.id: own} if own else received
        labels, masks = self._labels.exchange.decode_all(participant.memory, updates, round)
        if not labels:
            return math.nan
        share = [weights.get(robot_id, 0.0) for robot_id in labels]
        shares = np.array(share, np.float32)[:, None] * masks
        if self.settings.weighting != 'none':
            distant = [updates[robot_id][DISTANCES] for robot_id in labels]
            shares *= familiarity_weights(distant, self.settings.sharpness)
        chosen = shares.sum(axis=0) > 0
        if chosen.any():
            target = weighted_mean([one[chosen] for one in labels.values()], shares[:, chosen])
            asked = self._labels.exchange.asked(round)
            self._labels.distil(participant, asked[chosen], target, round)
        return disagreement(list(labels.values()), masks)
