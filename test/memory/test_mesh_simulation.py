"""Whole meshes in memory: methods, faults, crashes, changing graphs, different models."""

import math

import networkx as nx
import numpy as np
import pytest
from marking_mesh import change_graph

from iot_fl_ros.core.errors import IotFlError
from iot_fl_ros.core.run_files import summarize
from iot_fl_ros.memory.mesh import MeshSimulation
from iot_fl_ros.memory.network import Faults
from iot_fl_ros.mesh.settings import MeshRunSettings
from iot_fl_ros.methods.method import MeshMethod
from iot_fl_ros.methods.registry import methods_of

CMFD_OPTIONS = {
    'published': {'weighting': 'none', 'balance': 0.0, 'label_dtype': 'float32', 'packed': False},
    'votes': {'label_dtype': 'vote'},
    'confidence': {'selection': 'confidence'},
    'density-ratio': {'selection': 'density_ratio', 'weighting': 'none'},
    'features': {'weighting': 'feature_familiarity'},
}
GOSSIP_OPTIONS = {
    'sgd': {'local_batches': 8},
    '8-bit': {'weight_dtype': 'uint8'},
    'float16': {'weight_dtype': 'float16'},
}


@pytest.fixture
def mesh_settings(toy_settings):
    """Dotted settings of a ring of six on the toy data."""
    open_samples = toy_settings.pop('method.open_samples')
    return {
        **toy_settings,
        'method.open_samples': open_samples,
        'model.name': 'mlp',
        'run.rounds': 4,
        'run.deadline': 20.0,
        'run.start_timeout': 10.0,
        'data.partition': 'iid',
        'method.batch_size': 10,
        'mesh.graph': 'ring',
        'mesh.count': 6,
    }


def simulation_of(settings, *, method='cmfd', options=None, **arguments):
    flat = {**settings, 'method.name': method}
    if method != 'cmfd':
        flat.pop('method.open_samples')
    flat |= {f'method.{name}': value for name, value in (options or {}).items()}
    return MeshSimulation(MeshRunSettings.from_flat(flat), **arguments)


def run(settings, **arguments):
    simulation = simulation_of(settings, **arguments)
    simulation.start_all()
    return simulation, simulation.run(until=1_000)


def rounds_of(rows):
    return [row for row in rows if row['kind'] == 'round']


@pytest.mark.parametrize(
    ('method', 'options'),
    [
        *(pytest.param(name, {}, id=name) for name in methods_of(MeshMethod)),
        *(pytest.param('cmfd', o, id=f'cmfd-{name}') for name, o in CMFD_OPTIONS.items()),
        *(pytest.param('gossip', o, id=f'gossip-{name}') for name, o in GOSSIP_OPTIONS.items()),
    ],
)
def test_a_mesh_learns(method, options, mesh_settings):
    simulation, rows = run(mesh_settings, method=method, options=options)
    rounds = rounds_of(rows)
    assert [row['round'] for row in rounds] == [1, 2, 3, 4]
    assert rounds[-1]['robot_accuracy'] > 0.5, 'four classes: chance is 0.25'
    for peer in map(simulation.peer, simulation.ids):
        assert not peer.endpoint.refusals
        assert peer.state.name == 'FINISHED'
    assert sum(len(row['late']) + len(row['silent']) for row in rounds) == 0
    assert len(simulation.rows) == sum(map(len, simulation.peer_rows.values())) > 0
    measured = [row['disagreement'] for row in rounds]
    assert [math.isnan(d) for d in measured] == [method == 'alone'] * 4
    assert all(row['disagreement_all'] > 0 for row in rounds)


@pytest.mark.parametrize('weights', ['metropolis', 'laplacian'])
@pytest.mark.parametrize('graph', ['line', 'star', 'grid', 'erdos_renyi', 'full'])
def test_every_graph_and_weight(graph, weights, mesh_settings):
    settings = {**mesh_settings, 'mesh.graph': graph, 'mesh.weights': weights, 'run.rounds': 3}
    _, rows = run(settings)
    assert rounds_of(rows)[-1]['robot_accuracy'] > 0.5


@pytest.mark.parametrize('method', ['cmfd', 'gossip'])
def test_neighbours_are_worth_something(method, mesh_settings):
    settings = {**mesh_settings, 'data.partition': 'shards', 'run.rounds': 8}
    together, alone = (rounds_of(run(settings, method=name)[1])[-1] for name in (method, 'alone'))
    assert together['robot_accuracy'] > alone['robot_accuracy'] + 0.1
    assert together['disagreement_all'] < alone['disagreement_all']


def test_labels_cost_less_than_weights(mesh_settings):
    ends = [
        run({**mesh_settings, 'run.rounds': 2}, method=name)[1][-1]
        for name in ('gossip', 'cmfd', 'alone')
    ]
    sizes = [end['bytes_per_robot_round'] for end in ends]
    assert sizes == sorted(sizes, reverse=True)
    joules = [end['joules_active'] for end in ends]
    assert joules == sorted(joules, reverse=True)


def faulty(settings, **arguments):
    """Return a mesh on a line in a storm, with a crash, a come-back and a change of the graph."""
    simulation = simulation_of(
        {**settings, 'mesh.graph': 'line', 'run.rounds': 6, 'run.deadline': 8.0},
        faults=Faults(drop=0.1, duplicate=0.1, max_delay=0.5, until=25.0),
        models=['mlp', 'small_cnn'],
        **arguments,
    )
    simulation.start_all()
    clock = simulation.clock
    clock.at(2.5, lambda: simulation.crash('robot_2'))
    clock.at(9.0, lambda: simulation.start('robot_2'))
    ring = nx.relabel_nodes(nx.cycle_graph(6), dict(enumerate(simulation.ids)))
    clock.at(6.0, lambda: change_graph(simulation, ring))
    return simulation, simulation.run(until=1_000)


def test_a_line_survives_a_storm_a_crash_and_a_new_graph(mesh_settings):
    simulation, rows = faulty(mesh_settings)
    rounds = rounds_of(rows)
    assert {peer.state.name for peer in map(simulation.peer, simulation.ids)} == {'FINISHED'}
    assert len(rounds[-1]['participants']) == 6
    assert rounds[-1]['robot_accuracy'] > 0.5
    silent = [name for row in rounds for name in row['silent']]
    assert any(name.startswith('robot_2 at') for name in silent), 'it was away'
    last = [row for row in simulation.peer_rows['robot_0'] if row['kind'] == 'round'][-1]
    assert last['neighbours'] == ['robot_1', 'robot_5'], 'the line became a ring'
    done = [row['round'] for row in simulation.peer_rows['robot_2'] if row['kind'] == 'round']
    assert done[-1] == 6


def test_the_same_seed_gives_the_same_numbers(mesh_settings):
    runs = [[repr(row) for row in faulty(mesh_settings)[1]] for _ in range(2)]
    assert runs[0] == runs[1]
    other = [repr(row) for row in faulty({**mesh_settings, 'run.seed': 1})[1]]
    assert other != runs[0]


@pytest.mark.parametrize('method', ['cmfd', 'gossip'])
def test_threads_do_not_change_the_result(method, mesh_settings):
    runs = [run(mesh_settings, method=method, threads=threads)[1] for threads in (1, 3)]
    assert repr(runs[0]) == repr(runs[1])


def test_who_comes_back_catches_up(mesh_settings):
    simulation = simulation_of({**mesh_settings, 'run.rounds': 12, 'run.lease': 1.0})
    simulation.start_all()
    simulation.clock.at(2.5, lambda: simulation.crash('robot_3'))
    simulation.clock.at(8.2, lambda: simulation.start('robot_3'))
    simulation.run(until=1_000)
    done = [row['round'] for row in simulation.peer_rows['robot_3'] if row['kind'] == 'round']
    assert done[:2] == [1, 2]
    assert done[2] > 3, 'it does not do alone what the others have done without it'
    assert done[-1] == 12
    late = [row for row in simulation.peer_rows['robot_2'] if row['kind'] == 'round'][-1]
    assert late['participants'] == ['robot_1', 'robot_2', 'robot_3']


def test_whoever_is_in_radio_range_is_a_neighbour(mesh_settings):
    settings = {**mesh_settings, 'mesh.graph': 'discovery', 'run.rounds': 8, 'run.lease': 1.0}
    ids = simulation_of(settings).ids
    line = nx.relabel_nodes(nx.path_graph(6), dict(enumerate(ids)))
    simulation = simulation_of(settings, radio=line)
    simulation.start_all()
    ring = nx.relabel_nodes(nx.cycle_graph(6), dict(enumerate(ids)))
    simulation.clock.at(14.0, lambda: setattr(simulation.network, 'range', ring))
    rows = simulation.run(until=1_000)
    first, *_, last = [r for r in simulation.peer_rows['robot_0'] if r['kind'] == 'round']
    assert first['participants'] == ['robot_0', 'robot_1']
    assert last['participants'] == ['robot_0', 'robot_1', 'robot_5']
    assert rounds_of(rows)[-1]['robot_accuracy'] > 0.5


def test_a_graph_file_changes_at_run_time(mesh_settings, tmp_path):
    path = tmp_path / 'edges.txt'
    path.write_text('a b\nb c\n')
    settings = {**mesh_settings, 'mesh.graph': 'file', 'mesh.file': str(path), 'mesh.count': 0}
    simulation = simulation_of(settings)
    simulation.start_all()
    simulation.clock.at(2.5, lambda: path.write_text('a b\nb c\nc a\n'))
    simulation.run(until=1_000)
    rows = [r for r in simulation.peer_rows['a'] if r['kind'] == 'round']
    assert rows[0]['participants'] == ['a', 'b']
    assert rows[-1]['participants'] == ['a', 'b', 'c']


def test_a_peer_with_other_settings_is_named(mesh_settings):
    simulation = simulation_of({**mesh_settings, 'run.start_timeout': 2.0})
    stranger = simulation_of({**mesh_settings, 'run.seed': 5})
    usual = simulation.make_worker
    simulation.make_worker = lambda robot_id, *rest: (
        stranger.make_worker(robot_id, *rest) if robot_id == 'robot_3' else usual(robot_id, *rest)
    )
    simulation.start_all()
    simulation.run(until=1_000)
    assert simulation.peer('robot_2').endpoint.refusals['robot_3', 'peer_status: foreign run'] > 0
    last = [row for row in simulation.peer_rows['robot_2'] if row['kind'] == 'round'][-1]
    assert last['participants'] == ['robot_1', 'robot_2']


def test_weights_need_one_architecture(mesh_settings):
    simulation = simulation_of(
        {**mesh_settings, 'run.start_timeout': 2.0}, method='gossip', models=['mlp', 'small_cnn']
    )
    simulation.start_all()
    simulation.run(until=1_000)
    assert simulation.peer('robot_0').endpoint.refusals['robot_1', 'peer_status: foreign run'] > 0


def test_a_mesh_that_cannot_work_says_why(mesh_settings):
    simulation = simulation_of({**mesh_settings, 'data.private': '/nowhere.npz'})
    simulation.start_all()
    with pytest.raises(IotFlError, match='robots cannot take part'):
        simulation.run()


def test_a_hundred_peers_in_one_process(mesh_settings, toy_npz, tmp_path):
    toy = dict(np.load(toy_npz))
    rng = np.random.default_rng(1)
    toy['y_train'] = np.tile(toy['y_train'], 4)
    toy['x_train'] = np.tile(toy['x_train'], (4, 1, 1))
    toy['x_train'] += rng.normal(0, 0.1, toy['x_train'].shape).astype(np.float32)
    np.savez(tmp_path / 'large.npz', **toy)
    data = dict.fromkeys(['data.private', 'data.open'], str(tmp_path / 'large.npz'))
    settings = {
        **mesh_settings, **data, 'data.private_size': 1_400, 'run.rounds': 3,
        'mesh.graph': 'erdos_renyi', 'mesh.count': 100, 'mesh.probability': 0.06,
        'run.heartbeat': 1.0, 'run.lease': 5.0, 'method.weighting': 'none',
    }  # fmt: skip
    _, rows = run(settings)
    summary = summarize(rows)
    assert summary['robots'] == 100
    assert summary['rounds'] == 3
    assert rounds_of(rows)[-1]['robot_accuracy'] > 0.5
    assert summary['late'] == summary['silent'] == summary['refused'] == 0
