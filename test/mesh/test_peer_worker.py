"""The worker of a peer: what peers agree upon, training and mixing, what it keeps."""

import math

import numpy as np
import pytest

from iot_fl_ros.core.effects import SaveCheckpoint
from iot_fl_ros.core.errors import ConfigError, DataError, PluginError
from iot_fl_ros.core.store import MemoryStore
from iot_fl_ros.mesh.jobs import Mix, PreparePeer, TrainPeer
from iot_fl_ros.mesh.settings import MeshRunSettings
from iot_fl_ros.mesh.worker import PeerWorker


@pytest.fixture
def worker(toy_settings):
    """Return a maker of workers of a mesh of three."""

    def make(robot_id='robot_0', store=None, **changes):
        flat = {
            **toy_settings, 'mesh.graph': 'line', 'mesh.count': 3, 'model.name': 'mlp',
            'method.name': 'cmfd', **{k.replace('__', '.'): v for k, v in changes.items()},
        }  # fmt: skip
        if flat['method.name'] != 'cmfd':
            flat.pop('method.open_samples', None)
        flat['data.partition_index'] = int(robot_id[-1])
        flat['data.partition_count'] = 3
        return PeerWorker(robot_id, MeshRunSettings.from_flat(flat), store)

    return make


def test_peers_agree_upon_a_run_without_a_word(worker):
    first, second = (worker(i).run(PreparePeer()) for i in ('robot_0', 'robot_1'))
    assert first.info == second.info
    assert first.info.run_id.startswith('mesh-')
    assert (first.links.neighbours, second.links.neighbours) == (
        ('robot_1',), ('robot_0', 'robot_2'),
    )  # fmt: skip
    assert first.samples == 67
    assert (first.manifest, first.update, first.warning) == (None, {}, '')


@pytest.mark.parametrize(
    'change',
    [{'run__seed': 1}, {'run__rounds': 4}, {'method__local_epochs': 2}, {'method__name': 'gossip'},
     {'data__open_size': 100}, {'mesh__eps': 0.1}, {'run__name': 'other'}],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_what_must_be_equal_makes_another_run(worker, change):
    run_id = worker().run(PreparePeer()).info.run_id
    assert worker(**change).run(PreparePeer()).info.run_id != run_id


def test_samples_that_do_not_fit_the_test_are_named(worker, toy_npz, tmp_path):
    arrays = dict(np.load(toy_npz))
    wide = {name: v[:, :, :7] if name[0] == 'x' else v for name, v in arrays.items()}
    np.savez(tmp_path / 'wide.npz', **wide)
    with pytest.raises(DataError, match=r'wide\.npz has samples \(1, 8, 7\), the .* \(1, 8, 8\)'):
        worker(data__private=str(tmp_path / 'wide.npz')).run(PreparePeer())
    with pytest.raises(
        DataError, match=r'classes are unknown: set data\.class_names or data\.test'
    ):
        worker(data__test='').run(PreparePeer())


def test_what_a_peer_sends_is_what_its_method_declares(worker, monkeypatch):
    one = worker(method__name='gossip')
    one.run(PreparePeer())
    good = one.run(TrainPeer(1)).update
    wide = {name: value.astype(np.float64) for name, value in good.items()}
    monkeypatch.setattr(one._method, 'train', lambda *_: (wide, np.float32(0.5)))
    trained = one.run(TrainPeer(1))
    assert {name: v.dtype for name, v in trained.update.items()} == {
        name: v.dtype for name, v in good.items()
    }
    assert type(trained.loss) is float
    monkeypatch.setattr(one._method, 'train', lambda *_: ({'strange': good}, 0.5))
    with pytest.raises(PluginError, match='train returned strange; update_specs says'):
        one.run(TrainPeer(1))


def test_models_may_differ_where_labels_travel_and_not_where_weights_do(worker):
    def run_ids(method):
        return {
            worker(model__name=name, method__name=method).run(PreparePeer()).info.run_id
            for name in ('mlp', 'small_cnn')
        }

    assert len(run_ids('cmfd')) == 1
    assert len(run_ids('gossip')) == 2


def rounds(one, numbers, partner):
    """Let a worker train and mix with another one; return its updates."""
    updates = []
    for number in numbers:
        own = one.run(TrainPeer(number)).update
        received = {'robot_1': partner.run(TrainPeer(number)).update}
        mixed = one.run(Mix(number, own, received, {'robot_0': 0.5, 'robot_1': 0.5}))
        assert 0 <= mixed.accuracy <= 1
        assert mixed.links is None, 'the graph stays'
        updates.append(own)
    return updates


@pytest.mark.parametrize('method', ['cmfd', 'gossip'])
def test_a_peer_goes_on_from_its_checkpoint_as_if_nothing_was(worker, method):
    store = MemoryStore()
    one, partner = worker(store=store, method__name=method), worker('robot_1', method__name=method)
    run_id = one.run(PreparePeer()).info.run_id
    partner.run(PreparePeer())
    (first,) = rounds(one, [1], partner)
    one.save(SaveCheckpoint(1, {'run_id': run_id, 'round': 1}, first))
    wanted = one.run(TrainPeer(2))

    back = worker(store=store, method__name=method)
    ready = back.run(PreparePeer())
    assert ready.manifest['round'] == 1
    assert all(np.array_equal(ready.update[name], first[name]) for name in first)
    got = back.run(TrainPeer(2))
    assert got.loss == wanted.loss
    assert all(np.array_equal(got.update[name], wanted.update[name]) for name in wanted.update)


def test_what_is_kept_of_another_run_is_refused_and_what_is_not_wanted_left_alone(worker):
    store = MemoryStore()
    one = worker(store=store)
    run_id = one.run(PreparePeer()).info.run_id
    one.save(SaveCheckpoint(1, {'run_id': run_id, 'round': 1}, {}))
    assert worker(store=store, run__resume=False).run(PreparePeer()).manifest is None
    with pytest.raises(ConfigError, match=f'the checkpoint in memory is one of {run_id}'):
        worker(store=store, run__seed=5).run(PreparePeer())


def test_without_test_samples_there_is_no_accuracy(worker):
    names = {'data__test': '', 'data__class_names': ['0', '1', '2', '3']}
    one, partner = worker(**names), worker('robot_1', **names)
    one.run(PreparePeer())
    partner.run(PreparePeer())
    own = one.run(TrainPeer(1)).update
    received = {'robot_1': partner.run(TrainPeer(1)).update}
    mixed = one.run(Mix(1, own, received, {'robot_0': 0.5, 'robot_1': 0.5}))
    assert math.isnan(mixed.accuracy)


def test_a_graph_file_that_goes_bad_leaves_the_graph_and_is_said(worker, tmp_path):
    file = tmp_path / 'edges.txt'
    file.write_text('robot_0 robot_1\nrobot_1 robot_2\n')
    one = worker(mesh__graph='file', mesh__file=str(file))
    partner = worker('robot_1', mesh__graph='file', mesh__file=str(file))
    assert one.run(PreparePeer()).links.neighbours == ('robot_1',)
    partner.run(PreparePeer())

    def mix():
        own = one.run(TrainPeer(1)).update
        received = {'robot_1': partner.run(TrainPeer(1)).update}
        return one.run(Mix(1, own, received, {'robot_0': 0.5, 'robot_1': 0.5}))

    file.write_text('robot_0\n')
    bad = mix()
    assert bad.links is None
    assert bad.warning.startswith('the graph stays as it is: ')
    file.write_text('robot_0 robot_1\nrobot_1 robot_2\nrobot_2 robot_0\n')
    assert mix().links.neighbours == ('robot_1', 'robot_2')
