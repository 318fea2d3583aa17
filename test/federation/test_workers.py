"""The workers of robot and aggregator: preparing, training, keeping and what they refuse."""

import dataclasses
import math

import numpy as np
import pytest

from iot_fl_ros.core.effects import SaveCheckpoint
from iot_fl_ros.core.errors import ConfigError, DataError, MessageError, PluginError
from iot_fl_ros.core.store import FolderStore, MemoryStore
from iot_fl_ros.exchange.open_round import Update
from iot_fl_ros.federation.jobs import Aggregate, Evaluate, Prepare, TrainRound
from iot_fl_ros.federation.settings import FleetSettings
from iot_fl_ros.federation.workers import AggregatorWorker, RobotWorker
from iot_fl_ros.methods.method import GlobalSet


@pytest.fixture
def made(toy_settings):
    """Return a maker of (aggregator's worker, a maker of robots' workers)."""

    def make(method='dsfl', store=None, robot=(), **changes):
        flat = {**toy_settings, 'method.name': method, **changes}
        if method != 'dsfl':
            flat.pop('method.open_samples')
        settings = FleetSettings.from_flat(flat)
        edge = AggregatorWorker(settings.aggregator, settings.method_name, settings.method, store)

        def robot_worker(index=0, store=None, **others):
            learner = FleetSettings.from_flat({**flat, **others}).learner
            data = dataclasses.replace(learner.data, partition_index=index, partition_count=2)
            return RobotWorker(f'robot_{index}', dataclasses.replace(learner, data=data), store)

        return edge, robot_worker

    return make


def same(first, second):
    return first.keys() == second.keys() and all(
        np.array_equal(first[name], second[name]) for name in first
    )


def test_a_robot_tells_its_samples_and_the_same_seed_gives_the_same_update(made):
    edge, robot = made()
    one, two, other = robot(0), robot(0), robot(1)
    for worker in (one, two, other):
        assert worker.run(Prepare(edge.info)).samples == 100
    job = TrainRound(1, 0, ())
    first, again, different = (worker.run(job) for worker in (one, two, other))
    assert same(first.update, again.update)
    assert first.loss == again.loss
    assert not same(first.update, different.update)
    assert math.isfinite(first.loss)
    assert 0.0 <= first.accuracy <= 1.0
    assert first.seconds > 0


def test_in_the_last_round_a_robot_adopts_and_trains_no_more(made):
    edge, robot = made('fedavg')
    worker = robot()
    worker.run(Prepare(edge.info))
    tensors = edge.initial_global()
    trained = worker.run(TrainRound(3, 3, (GlobalSet(0, tensors),), last=True))
    assert trained.update == {}
    assert math.isnan(trained.loss)
    assert np.array_equal(worker.participant.trainer.state(), next(iter(tensors.values())))


@pytest.mark.parametrize(
    ('method', 'changes', 'message'),
    [
        ('dsfl', {'data.seed': 9}, 'data.seed'),
        ('fedavg', {'model.name': 'mlp'}, "set model.name to 'small_cnn'"),
    ],
)
def test_a_robot_that_does_not_fit_says_what_to_change(made, method, changes, message):
    edge, robot = made(method)
    if 'model.name' in changes:
        settings = FleetSettings.from_flat({'model.name': 'small_cnn', 'method.name': 'fedavg'})
        assert settings.learner.model.name == '', "a robot's model follows the run"
    worker = robot(**changes)
    if 'model.name' in changes:
        learner = worker._settings
        model = dataclasses.replace(learner.model, name=changes['model.name'])
        worker._settings = dataclasses.replace(learner, model=model)
    with pytest.raises(DataError) as error:
        worker.run(Prepare(edge.info))
    assert message in str(error.value)


def test_samples_of_another_shape_are_refused(made):
    edge, robot = made('fedavg')
    info = dataclasses.replace(edge.info, input_shape=(1, 9, 9))
    with pytest.raises(DataError, match='the run has'):
        robot().run(Prepare(info))


@pytest.mark.parametrize('method', ['dsfl', 'fedavg'])
def test_a_robot_goes_on_from_its_checkpoint_as_if_nothing_was(made, method, tmp_path):
    edge, robot = made(method)
    store = FolderStore(tmp_path / 'kept')
    worker = robot(store=store)
    assert worker.run(Prepare(edge.info)).manifest is None
    first = worker.run(TrainRound(1, 0, ()))
    manifest = {'run_id': edge.info.run_id, 'round': 1}
    worker.save(SaveCheckpoint(1, manifest, first.update))
    second = worker.run(TrainRound(2, 0, ()))

    back = robot(store=FolderStore(tmp_path / 'kept'))
    prepared = back.run(Prepare(edge.info))
    assert prepared.manifest == manifest
    assert same(prepared.update, first.update), 'what the machine kept, and nothing of ours'
    assert same(back.run(TrainRound(2, 0, ())).update, second.update)


def test_a_checkpoint_of_another_run_is_left_alone(made):
    edge, robot = made()
    store = MemoryStore()
    worker = robot(store=store)
    worker.run(Prepare(edge.info))
    worker.save(SaveCheckpoint(1, {'run_id': 'another', 'round': 1}, {}))
    fresh = robot().run
    prepared = robot(store=store).run(Prepare(edge.info))
    assert (prepared.manifest, prepared.update) == (None, {})
    assert fresh(Prepare(edge.info)).samples == prepared.samples


STRANGE = {'strange': np.zeros(3, np.float32)}


def wider(tensors):
    return {name: value.astype(np.float64) for name, value in tensors.items()}


def test_what_a_robot_sends_is_what_its_method_declares(made, monkeypatch):
    edge, robot = made('fedavg')
    worker = robot()
    worker.run(Prepare(edge.info))
    method, job = worker._method, TrainRound(1, 0, (GlobalSet(0, edge.initial_global()),))
    good = worker.run(job).update
    monkeypatch.setattr(method, 'train', lambda *_: (wider(good), np.float32(0.5)))
    trained = worker.run(job)
    assert same(trained.update, good)
    assert {value.dtype.name for value in trained.update.values()} == {'float32'}
    assert type(trained.loss) is float
    monkeypatch.setattr(method, 'train', lambda *_: (STRANGE, 0.5))
    with pytest.raises(PluginError, match='train returned strange; update_specs says'):
        worker.run(job)
    beyond = {name: np.full_like(value, 1e20) for name, value in good.items()}
    monkeypatch.setattr(method, 'train', lambda *_: (beyond, 0.5))
    with pytest.raises(DataError, match=r'cannot be sent, .* lower method\.learning_rate'):
        worker.run(job)


def test_what_an_aggregator_sends_is_what_its_method_declares(made, monkeypatch):
    edge, updates = round_of(made, 'fedavg')
    method = edge._method
    for name, ask in (
        ('initial_global', edge.initial_global),
        ('aggregate', lambda: edge.run(Aggregate(1, updates))),
    ):
        good = ask()
        monkeypatch.setattr(method, name, lambda *_, good=good: wider(good))
        assert {value.dtype.name for value in ask().values()} == {'float32'}
        monkeypatch.setattr(method, name, lambda *_: STRANGE)
        with pytest.raises(PluginError, match=f'{name} returned strange; global_specs says'):
            ask()


def test_workers_know_whether_they_keep_anything(made):
    edge, robot = made()
    assert not edge.keeps
    assert not robot().keeps
    assert robot(store=MemoryStore()).keeps
    robot().save(SaveCheckpoint(1))  # nowhere


# --- the aggregator -----------------------------------------------------------------------------


def round_of(made, method='dsfl', store=None):
    """Return an aggregator's worker and the updates of two robots."""
    edge, robot = made(method, store)
    updates = []
    for index in (0, 1):
        worker = robot(index)
        worker.run(Prepare(edge.info))
        trained = worker.run(TrainRound(1, 0, ()))
        updates.append(Update(f'robot_{index}', trained.update, 100))
    return edge, updates


def test_the_aggregator_aggregates_and_measures(made):
    edge, updates = round_of(made)
    tensors = edge.run(Aggregate(1, updates))
    accuracy = edge.run(Evaluate(1, 1, tensors))
    assert 0.0 <= accuracy <= 1.0
    assert math.isnan(edge.run(Evaluate(1, 1, {}))), 'a method that leaves it without a model'


def test_a_result_that_could_not_be_sent_leaves_no_trace(made, monkeypatch):
    edge, updates = round_of(made, 'fedadam')
    edge.run(Aggregate(1, updates))
    before = {name: value.copy() for name, value in edge.participant.memory.items()}
    assert before, 'fedadam remembers its moments'

    def refused(tensors, round):
        raise MessageError('out of range', 'values beyond 1e8')

    monkeypatch.setattr(edge._method, 'check_values', refused)
    with pytest.raises(MessageError):
        edge.run(Aggregate(2, updates))
    assert same(edge.participant.memory, before)


def test_an_aggregator_comes_back_to_its_own_run_alone(made):
    store = MemoryStore()
    edge, _ = made(store=store)
    assert edge.restore() is None
    tensors = {'labels': np.ones(3, np.float32)}
    constants = {'constants': edge.info.constants()}
    edge.save(SaveCheckpoint(2, {'run_name': 'run', 'round': 2, **constants}, tensors))
    again, _ = made(store=store)
    manifest, kept = again.restore()
    assert manifest['round'] == 2
    assert same(kept, tensors)
    for changes, said in (
        ({'run.name': 'another'}, 'run.name was run, is another'),
        ({'run.seed': 9}, 'seed was 0, is 9'),
        ({'method.open_samples': 40}, 'method settings differs'),
        ({'data.open_size': 150}, 'open set was'),
    ):
        other, _ = made(store=store, **changes)
        with pytest.raises(ConfigError, match=said):
            other.restore()
    edge.save(SaveCheckpoint(2, {'run_name': 'run', 'round': 2}, tensors))
    with pytest.raises(ConfigError, match='written by another version'):
        edge.restore()


def test_an_aggregator_needs_to_know_shape_and_classes(made):
    with pytest.raises(DataError, match=r'set data\.test'):
        made('fedavg', **{'data.test': ''})
    edge, _ = made(**{'data.test': '', 'data.class_names': ['a', 'b', 'c', 'd']})
    assert edge.info.class_names == ('a', 'b', 'c', 'd')
    assert math.isnan(edge.run(Evaluate(1, 1, {})))
