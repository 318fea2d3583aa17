"""Neighbours in a mesh: graphs by name or from a file, their spectrum, weights of updates."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from iot_fl_ros.core.errors import ConfigError, MessageError
from iot_fl_ros.core.names import check_robot_id
from iot_fl_ros.core.seeds import derive_seed
from iot_fl_ros.mesh.settings import MeshSettings

_TRIES = 1_000


@dataclass(frozen=True)
class Links:
    """The part of the graph that one peer has to know.

    eps: best step of the Laplacian, 0 = the graph is not known as a whole.
    """

    neighbours: tuple[str, ...]
    eps: float = 0.0


def build_graph(mesh: MeshSettings, seed: int) -> nx.Graph:
    """Return the connected graph of robot ids that the settings describe (not discovery).

    ConfigError if there are no robots, a file cannot be read, or robots are apart.
    """
    if mesh.graph == 'file':
        graph = _read_file(Path(mesh.file).expanduser(), mesh.ids)
    else:
        ids = mesh.ids
        if not ids:
            raise ConfigError(f'mesh.graph {mesh.graph} needs mesh.robots or mesh.count')
        shape = _random(mesh, len(ids), seed) if mesh.graph == 'erdos_renyi' else None
        graph = shape if shape is not None else _SHAPES[mesh.graph](len(ids))
        graph = nx.relabel_nodes(graph, dict(enumerate(ids)))
    graph.remove_edges_from(list(nx.selfloop_edges(graph)))
    _check_connected(graph)
    return graph


def links_of(graph: nx.Graph, robot_id: str) -> Links:
    """Return the links of one robot; ConfigError if it is not in the graph."""
    if robot_id not in graph:
        names = sorted(graph)
        some = ', '.join(names[:5]) + (f' .. {names[-1]}' if len(names) > 5 else '')
        text = f'robot {robot_id!r} is not in the mesh of {some}: set robot.id or mesh.robots'
        raise ConfigError(text)
    return Links(tuple(sorted(graph.neighbors(robot_id))), best_eps(graph))


def best_eps(graph: nx.Graph) -> float:
    """Return the step of I - eps L that mixes fastest and makes no weight negative.

    Without the second condition it is 2 / (lambda_2 + lambda_max) of the Laplacian (Xiao and Boyd,
    Systems and Control Letters 53, 2004, equation 20); weights are not negative up to 1 / degree.
    """
    if graph.number_of_nodes() < 2:
        return 0.5
    values = _spectrum(graph)
    largest = max(degree for _, degree in graph.degree())
    return float(min(2 / (values[1] + values[-1]), 1 / largest))


def stable_eps(graph: nx.Graph) -> float:
    """Return 2 / lambda_max: from this step on I - eps L does not mix any more."""
    return float(2 / _spectrum(graph)[-1]) if graph.number_of_edges() else math.inf


class LinkSource:
    """The links of one robot, as its settings and its graph file say at the moment."""

    def __init__(self, mesh: MeshSettings, robot_id: str, seed: int) -> None:
        self._mesh, self._robot_id, self._seed = mesh, robot_id, seed
        self._seen: tuple[int, int] | None = None

    def read(self) -> Links:
        """Return the links; ConfigError if the graph is not one that works."""
        if self._mesh.graph == 'discovery':
            return Links(())
        self._seen = self._mark()
        return links_of(build_graph(self._mesh, self._seed), self._robot_id)

    def changed(self) -> Links | None:
        """Return new links if the graph file has changed since, else None; errors as `read`."""
        return self.read() if self._mark() != self._seen else None

    def warning(self) -> str:
        """Return what is to be said about the step of the Laplacian; empty = nothing."""
        mesh = self._mesh
        if mesh.graph == 'discovery' or mesh.weights != 'laplacian' or not mesh.eps:
            return ''
        graph = build_graph(mesh, self._seed)
        limit, best = stable_eps(graph), best_eps(graph)
        if mesh.eps >= limit:
            return f'mesh.eps {mesh.eps:g} does not mix on this graph: below {limit:.3g}, or 0'
        if mesh.eps * max(degree for _, degree in graph.degree()) > 1:
            return f'mesh.eps {mesh.eps:g} makes weights negative, taken as 0: use {best:.3g}'
        return ''

    def _mark(self) -> tuple[int, int] | None:
        if self._mesh.graph != 'file':
            return None
        try:
            status = Path(self._mesh.file).expanduser().stat()
        except OSError:
            return self._seen  # it is being replaced
        return status.st_mtime_ns, status.st_size


def _grid(count: int) -> nx.Graph:
    """Return a grid as square as possible, filled row by row."""
    columns = math.ceil(math.sqrt(count))
    graph = nx.empty_graph(count)
    for i in range(count):
        if (i + 1) % columns and i + 1 < count:
            graph.add_edge(i, i + 1)
        if i + columns < count:
            graph.add_edge(i, i + columns)
    return graph


_SHAPES: dict[str, Callable[[int], nx.Graph]] = {
    'line': nx.path_graph,
    'ring': nx.cycle_graph,
    'star': lambda count: nx.star_graph(count - 1),
    'grid': _grid,
    'full': nx.complete_graph,
}


def _random(mesh: MeshSettings, count: int, seed: int) -> nx.Graph:
    for attempt in range(_TRIES):
        drawn = derive_seed(seed, 'graph', attempt) % 2**32
        graph = nx.gnp_random_graph(count, mesh.probability, seed=drawn)
        if nx.is_connected(graph):
            return graph
    raise ConfigError(
        f'mesh.probability is {mesh.probability:g}: {_TRIES} random graphs of {count} robots '
        'were not connected; raise it'
    )


def _read_file(path: Path, ids: Sequence[str]) -> nx.Graph:
    try:
        if path.suffix == '.graphml':
            graph = nx.Graph(nx.read_graphml(path))
        else:
            graph = nx.parse_edgelist(path.read_text().splitlines(), data=False)
    except (OSError, ValueError, TypeError, SyntaxError, nx.NetworkXError) as error:
        raise ConfigError(f'mesh.file {str(path)!r} cannot be read: {error}') from error
    try:
        for robot_id in graph:
            check_robot_id(robot_id)
    except MessageError as error:
        raise ConfigError(f'mesh.file {str(path)!r}: {error}') from error
    strangers = sorted(set(graph) - set(ids))
    if ids and strangers:
        raise ConfigError(f'mesh.file {str(path)!r} has {strangers}, who are not in mesh.robots')
    graph.add_nodes_from(ids)
    if not len(graph):
        raise ConfigError(f'mesh.file {str(path)!r} holds no edges')
    return graph


def _check_connected(graph: nx.Graph) -> None:
    parts = sorted(nx.connected_components(graph), key=lambda part: (-len(part), sorted(part)))
    if len(parts) > 1:
        apart = sorted(set(graph) - parts[0])
        raise ConfigError(
            f'the graph of the mesh is not connected: no path from {", ".join(apart[:10])} to '
            f'{", ".join(sorted(parts[0])[:10])}'
        )


def _spectrum(graph: nx.Graph) -> np.ndarray:
    return np.linalg.eigvalsh(nx.laplacian_matrix(graph).toarray().astype(float))


def mixing_weights(
    robot_id: str,
    degrees: Mapping[str, int],
    arrived: Collection[str],
    scheme: str,
    eps: float = 0.0,
) -> dict[str, float]:
    """Return the weights, by sorted robot id, of the own update and of those that arrived.

    Metropolis: w_ij = 1 / (1 + max(d_i, d_j)) (Xiao and Boyd, 2004, equation 22). Laplacian:
    W = I - eps L. Both are symmetric, so that nobody's data count more for having many neighbours.
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
