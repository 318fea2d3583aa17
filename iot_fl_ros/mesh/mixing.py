"""Weights of a peer's own update and of those of its neighbours.

Metropolis: w_ij = 1 / (1 + max(d_i, d_j)) (Xiao and Boyd, 2004, equation 22). Laplacian:
W = I - eps L. Both are symmetric, so that nobody's data count more for having many neighbours.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import networkx as nx
import numpy as np
from numpy.typing import NDArray


def mixing_weights(
    robot_id: str,
    degrees: Mapping[str, int],
    arrived: Collection[str],
    scheme: str,
    eps: float = 0.0,
) -> dict[str, float]:
    """Return the weights, by sorted robot id, of the own update and of those that arrived.

    degrees: of every neighbour. eps: step of the Laplacian; 0 = 1 / (1 + largest degree here).
    Weights of those who are missing are shared out in proportion. The sum is 1.
    """
    degree = len(degrees)
    if scheme == 'metropolis':
        full = {i: 1 / (1 + max(degree, d)) for i, d in degrees.items()}
    else:
        step = eps or 1 / (1 + max([degree, *degrees.values()]))
        full = dict.fromkeys(degrees, step)
    own = max(0.0, 1 - sum(full[i] for i in sorted(full)))
    weights = {robot_id: own, **{i: full[i] for i in arrived}}
    total = sum(weights[i] for i in sorted(weights))
    if total <= 0:
        return {robot_id: 1.0}
    return {i: weights[i] / total for i in sorted(weights)}


def mixing_matrix(graph: nx.Graph, scheme: str, eps: float = 0.0) -> NDArray[np.float64]:
    """Return W [n, n] of a whole graph, robots in sorted order, when every update arrives."""
    ids = sorted(graph)
    matrix = np.zeros((len(ids), len(ids)))
    for row, robot_id in enumerate(ids):
        degrees = {i: graph.degree(i) for i in graph.neighbors(robot_id)}
        for other, weight in mixing_weights(robot_id, degrees, degrees, scheme, eps).items():
            matrix[row, ids.index(other)] = weight
    return matrix


def spectral_gap(matrix: NDArray[np.float64]) -> float:
    """Return 1 - rho of a symmetric W: the share of a disagreement that one exchange removes."""
    values = np.sort(np.abs(np.linalg.eigvalsh(matrix)))
    return float(1 - values[-2]) if len(values) > 1 else 1.0
