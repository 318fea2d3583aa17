"""The worker of a Tram-FL robot: what robots agree upon, visits, and what is on disk."""

import math

import numpy as np
import pytest

from iot_fl_ros.core.errors import ConfigError, DataError
from iot_fl_ros.core.messages.token import TokenClaim
from iot_fl_ros.core.store import MemoryStore
from iot_fl_ros.token.acceptor import Promise
from iot_fl_ros.token.jobs import KeepPromise, KeepToken, Merge, Prepare, Visit
from iot_fl_ros.token.settings import TramNodeSettings
from iot_fl_ros.token.worker import TramWorker


@pytest.fixture
def worker(toy_npz):
    """Return a maker of workers; stores: by name, None = it keeps nothing."""

    def make(robot_id='robot_0', stores=None, **changes):
        flat = {
            'tram.count': 3, 'tram.batch_size': 20, 'model.name': 'mlp', 'run.updates': 40,
            'data.private': str(toy_npz), 'data.test': str(toy_npz), 'data.private_size': 300,
            'data.partition': 'shards', 'data.partition_index': int(robot_id[-1]),
            'data.partition_count': 3, **{k.replace('__', '.'): v for k, v in changes.items()},
        }  # fmt: skip
        kept = {} if stores is None else stores

        def store(name):
            return None if stores is None else kept.setdefault(name, MemoryStore())

        return TramWorker(robot_id, TramNodeSettings.from_flat(flat), store)

    return make


def claim():
    return TokenClaim(
        stamp=0.0, run_id='run', sender_id='robot_0', token_id=0, phase=0, fence=3, base=2,
    )  # fmt: skip


def test_robots_agree_upon_a_run_and_tell_their_own_classes(worker):
    one, two = (worker(i).run(Prepare()) for i in ('robot_0', 'robot_1'))
    assert one.run_id == two.run_id
    assert one.class_counts != two.class_counts
    assert sum(one.class_counts) == 100
    assert one.promises is None, 'nothing is kept, so nothing is remembered'
    (token,) = one.tokens
    assert (token.token_id, token.base, token.trained) == (0, 0, False)
    assert np.array_equal(token.model, two.tokens[0].model), 'the same initial model'


@pytest.mark.parametrize(
    'change',
    [{'run__seed': 1}, {'run__updates': 50}, {'run__lease': 9.0}, {'tram__cycle_batches': 3},
     {'model__name': 'small_cnn'}],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_what_must_be_equal_makes_another_run(worker, change):
    assert worker(**change).run(Prepare()).run_id != worker().run(Prepare()).run_id


def test_a_visit_trains_counts_and_can_be_repeated_bit_for_bit(worker):
    one, two = worker(), worker()
    token = one.run(Prepare()).tokens[0]
    two.run(Prepare())
    first, again = (w.run(Visit(token, 4, 3, True)) for w in (one, two))
    assert np.array_equal(first.token.model, again.token.model)
    assert first.loss == again.loss
    assert 0 <= first.accuracy <= 1
    assert sum(first.class_counts) == 60
    trained = first.token
    assert (trained.base, trained.trained) == (4, True)
    assert (trained.log.visits, trained.log.updates) == (1, 3)
    assert trained.log.class_usage == first.class_counts
    assert not np.array_equal(trained.model, token.model)
    assert math.isnan(one.run(Visit(trained, 5, 1, False)).accuracy), 'not tested'
    next_visit = one.run(Visit(trained, 5, 3, False))
    assert next_visit.class_counts != first.class_counts or next_visit.loss != first.loss


def test_what_diverges_is_no_token(worker):
    one = worker(tram__learning_rate=100.0, tram__momentum=0.99)
    token = one.run(Prepare()).tokens[0]

    def visits():
        last = token
        for fence in range(1, 30):
            last = one.run(Visit(last, fence, 20, False)).token

    with pytest.raises(DataError, match=r'lower tram\.learning_rate'):
        visits()


def test_promises_and_copies_are_those_of_the_former_life(worker):
    stores = {}
    one = worker(stores=stores)
    ready = one.run(Prepare())
    assert ready.promises == (Promise(),)
    promise = Promise(3, 'robot_1', 2, 1, 'robot_2')
    one.run(KeepPromise((promise,), claim()))
    trained = one.run(Visit(ready.tokens[0], 2, 2, False)).token
    one.run(KeepToken(trained))

    back = worker(stores=stores).run(Prepare())
    assert back.promises == (promise,)
    (token,) = back.tokens
    assert (token.base, token.trained, token.log) == (2, True, trained.log)
    assert np.array_equal(token.model, trained.model)
    assert np.array_equal(token.velocity, trained.velocity)


def test_what_is_kept_of_another_run_is_refused(worker):
    stores = {}
    one = worker(stores=stores)
    ready = one.run(Prepare())
    one.run(KeepPromise((Promise(3, 'robot_1', 2, 1, 'robot_2'),), claim()))
    one.run(KeepToken(one.run(Visit(ready.tokens[0], 2, 2, False)).token))
    with pytest.raises(ConfigError, match='the checkpoint in memory is one of '):
        worker(stores=stores, run__seed=1).run(Prepare())


def test_nothing_is_kept_without_a_store(worker):
    one = worker()
    token = one.run(Prepare()).tokens[0]
    one.run(KeepPromise((Promise(),), claim()))
    one.run(KeepToken(token))


def test_tokens_that_meet_have_one_model_and_their_own_logs(worker):
    one = worker(tram__tokens=2, tram__merge=True)
    first, second = one.run(Prepare()).tokens
    first = one.run(Visit(first, 2, 2, False)).token
    second = one.run(Visit(second, 3, 4, False)).token
    a, b = one.run(Merge(first, second))
    assert np.array_equal(a.model, b.model)
    assert a.log.class_usage == b.log.class_usage
    assert (a.token_id, a.log.updates, b.token_id, b.log.updates) == (0, 2, 1, 4)
