"""CMFD: peers exchange soft labels of an open set with their neighbours, without a server.

Taya, Nishio, Morikura, Yamamoto, arXiv 2104.00352 (IEEE TSIPN 8, 2022): consensus-based multi-hop
federated distillation. Choosing what to label: IDKD, arXiv 2304.04326. Votes: TallyTrain, arXiv
2607.00173. Logit adjustment and weighting by familiarity are ours, as in `methods.dsfl`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.federation import RunInfo
from iot_fl_ros.core.tensors import Tensors, TensorSpec
from iot_fl_ros.methods.disagreement import disagreement
from iot_fl_ros.methods.dsfl import DISTANCES, DsFl, DsFlSettings
from iot_fl_ros.methods.labels.aggregation import weighted_mean
from iot_fl_ros.methods.labels.familiarity import weights as familiarity_weights
from iot_fl_ros.methods.labels.settings import LabelSettings
from iot_fl_ros.methods.method import MeshMethod, Participant

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
        self,
        participant: Participant,
        own: Tensors,
        received: Mapping[str, Tensors],
        weights: Mapping[str, float],
        round: int,
    ) -> float:
        """Distil the target of this peer into its model; return the disagreement of labels."""
        updates = {**received, participant.id: own} if own else dict(received)
        labels, masks, shares = self._shares(participant, updates, weights, round)
        if not labels:
            return math.nan
        chosen = shares.sum(axis=0) > 0
        if chosen.any():
            target = weighted_mean([one[chosen] for one in labels], shares[:, chosen])
            asked = self._labels.exchange.asked(round)
            self._labels.distil(participant, asked[chosen], target, round)
        return disagreement(labels, masks)

    def _shares(
        self,
        participant: Participant,
        updates: Mapping[str, Tensors],
        weights: Mapping[str, float],
        round: int,
    ) -> tuple[list[NDArray[np.float32]], NDArray[np.bool_], Shares]:
        """Return labels [N, C] and their weights [n, N], in the order of robot ids.

        Updates that cannot be decoded are left out.
        """
        labels, masks, share, distant = [], [], [], []
        for robot_id, tensors in sorted(updates.items()):
            try:
                decoded, mask = self._labels.exchange.decode(participant.memory, tensors, round)
            except MessageError:
                continue
            labels.append(decoded)
            masks.append(mask)
            share.append(weights.get(robot_id, 0.0))
            if self.settings.weighting != 'none':
                distant.append(tensors[DISTANCES])
        if not labels:
            return [], np.zeros((0, 0), bool), np.zeros((0, 0), np.float32)
        there = np.stack(masks)
        shares: Shares = np.array(share, np.float32)[:, None] * there
        if distant:
            shares *= familiarity_weights(distant, self.settings.sharpness)
        return labels, there, shares
