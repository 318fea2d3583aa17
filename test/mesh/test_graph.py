"""Graphs of a mesh, and the weights on them."""

import networkx as nx
import numpy as np
import pytest

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.mesh.graph import (
    LinkSource,
    best_eps,
    build_graph,
    links_of,
    mixing_matrix,
    mixing_weights,
    spectral_gap,
    stable_eps,
)
from iot_fl_ros.mesh.settings import GRAPHS, MeshSettings

NAMED = [name for name in GRAPHS if name not in ('file', 'discovery')]


def graph_of(name, count=7, **settings):
    return build_graph(MeshSettings(graph=name, count=count, **settings), seed=1)


@pytest.mark.parametrize('name', NAMED)
@pytest.mark.parametrize('count', [1, 2, 3, 7, 12])
def test_every_graph_is_connected_and_simple(name, count):
    graph = graph_of(name, count)
    assert len(graph) == count
    assert nx.is_connected(graph)
    assert nx.number_of_selfloops(graph) == 0


def test_the_shapes():
    assert links_of(graph_of('line', 4), 'robot_1').neighbours == ('robot_0', 'robot_2')
    assert links_of(graph_of('ring', 4), 'robot_0').neighbours == ('robot_1', 'robot_3')
    assert len(links_of(graph_of('star', 5), 'robot_0').neighbours) == 4
    assert links_of(graph_of('star', 5), 'robot_3').neighbours == ('robot_0',)
    assert links_of(graph_of('grid', 9), 'robot_4').neighbours == (
        'robot_1', 'robot_3', 'robot_5', 'robot_7',
    )  # fmt: skip
    assert graph_of('full', 6).number_of_edges() == 15


def test_random_graphs_are_seeded():
    mesh = MeshSettings(graph='erdos_renyi', count=12)
    first, again, other = (build_graph(mesh, seed) for seed in (1, 1, 2))
    assert set(first.edges) == set(again.edges)
    assert set(first.edges) != set(other.edges)


@pytest.mark.parametrize('name', NAMED)
@pytest.mark.parametrize('scheme', ['metropolis', 'laplacian'])
def test_weights_are_symmetric_and_doubly_stochastic(name, scheme):
    graph = graph_of(name, 9)
    matrix = mixing_matrix(graph, scheme, best_eps(graph))
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)
    np.testing.assert_allclose(matrix.sum(axis=0), 1)
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    assert (matrix >= 0).all()
    assert 0 < spectral_gap(matrix) <= 1


def test_weights_by_hand():
    # A line a - b - c: b has two neighbours.
    assert mixing_weights('a', {'b': 2}, ['b'], 'metropolis') == pytest.approx(
        {'a': 2 / 3, 'b': 1 / 3}
    )
    assert mixing_weights('b', {'a': 1, 'c': 1}, ['a', 'c'], 'metropolis') == pytest.approx(
        {'a': 1 / 3, 'b': 1 / 3, 'c': 1 / 3}
    )
    assert mixing_weights('b', {'a': 1, 'c': 1}, ['a', 'c'], 'laplacian', 0.25) == pytest.approx(
        {'a': 0.25, 'b': 0.5, 'c': 0.25}
    )
    # Without a step: 1 / (1 + largest degree).
    assert mixing_weights('a', {'b': 3}, ['b'], 'laplacian')['b'] == pytest.approx(0.25)


def test_weights_of_the_missing_are_shared_out():
    weights = mixing_weights('b', {'a': 1, 'c': 1, 'd': 1}, ['c'], 'laplacian', 0.2)
    assert weights == pytest.approx({'b': 2 / 3, 'c': 1 / 3})
    assert mixing_weights('b', {'a': 1}, [], 'metropolis') == {'b': 1.0}
    # A step so large that nothing is left for itself, and nobody there.
    assert mixing_weights('b', {'a': 1, 'c': 1}, [], 'laplacian', 0.9) == {'b': 1.0}


def test_the_best_step_mixes_fastest():
    graph = graph_of('line', 6)
    best = best_eps(graph)
    gaps = [spectral_gap(mixing_matrix(graph, 'laplacian', best * f)) for f in (0.5, 0.8, 1.0)]
    assert gaps == sorted(gaps)
    # On a ring of four the best step is below 1 / degree: eigenvalues of L are 0, 2, 2, 4.
    assert best_eps(graph_of('ring', 4)) == pytest.approx(2 / 6)
    assert stable_eps(graph_of('ring', 4)) == pytest.approx(0.5)
    # In a star 2 / (1 + n) would leave the hub a negative weight.
    assert best_eps(graph_of('star', 6)) == pytest.approx(1 / 5)


@pytest.mark.parametrize(('eps', 'word'), [(0.6, 'does not mix'), (0.2, ''), (0.0, '')])
def test_an_unstable_step_is_said(eps, word):
    mesh = MeshSettings(graph='ring', count=4, weights='laplacian', eps=eps)
    text = LinkSource(mesh, 'robot_0', 0).warning()
    assert (word in text) if word else text == ''


def test_a_negative_weight_is_said():
    mesh = MeshSettings(graph='star', count=6, weights='laplacian', eps=0.25)
    assert 'use 0.2' in LinkSource(mesh, 'robot_0', 0).warning()


def test_a_file_is_read_again_when_it_changes(tmp_path):
    path = tmp_path / 'edges.txt'
    path.write_text('# who hears whom\na b\nb c\n')
    source = LinkSource(MeshSettings(graph='file', file=str(path)), 'b', 0)
    assert source.read().neighbours == ('a', 'c')
    assert source.changed() is None
    path.write_text('a b\na c\n')
    assert source.changed().neighbours == ('a',)
    assert source.changed() is None


def test_a_graphml_file(tmp_path):
    path = tmp_path / 'mesh.graphml'
    nx.write_graphml(nx.Graph([('a', 'b'), ('b', 'c')]), path)
    mesh = MeshSettings(graph='file', file=str(path), robots=['a', 'b', 'c'])
    assert links_of(build_graph(mesh, 0), 'c').neighbours == ('b',)


@pytest.mark.parametrize(
    ('content', 'ids', 'word'),
    [
        ('a b\nc d\n', [], 'no path from c, d to a, b'),
        ('a b\n', ['a', 'b', 'c'], 'no path from c to a, b'),
        ('a b\nb x\n', ['a', 'b'], "has ['x'], who are not in mesh.robots"),
        ('a/b c\n', [], 'is no robot id'),
        ('\n', [], 'holds no edges'),
    ],
)
def test_a_file_that_is_wrong_is_refused(tmp_path, content, ids, word):
    path = tmp_path / 'edges.txt'
    path.write_text(content)
    with pytest.raises(ConfigError) as error:
        build_graph(MeshSettings(graph='file', file=str(path), robots=ids), 0)
    assert word in str(error.value)


@pytest.mark.parametrize('name', ['edges.txt', 'edges.graphml'])
def test_a_file_that_cannot_be_read_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match='cannot be read'):
        build_graph(MeshSettings(graph='file', file=str(tmp_path / name)), 0)
    (tmp_path / 'broken.graphml').write_text('<graphml><graph>')
    with pytest.raises(ConfigError, match='cannot be read'):
        build_graph(MeshSettings(graph='file', file=str(tmp_path / 'broken.graphml')), 0)


def test_settings_that_make_no_graph_are_refused():
    with pytest.raises(ConfigError, match=r'needs mesh\.robots or mesh\.count'):
        build_graph(MeshSettings(graph='ring'), 0)
    with pytest.raises(ConfigError, match='raise it'):
        build_graph(MeshSettings(graph='erdos_renyi', count=5, probability=0.0), 0)
    with pytest.raises(ConfigError, match="robot 'x' is not in the mesh"):
        links_of(graph_of('ring'), 'x')
