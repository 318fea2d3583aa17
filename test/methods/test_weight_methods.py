"""FedAvg and its kin on small cases computed by hand."""

import numpy as np
import pytest
import torch
from method_makers import PRIVATE, aggregator, info_of, method, model, robot, update

from iot_fl_ros.core.errors import DataError, MessageError
from iot_fl_ros.core.tensors import all_allowed, specs_of
from iot_fl_ros.methods import compression
from iot_fl_ros.methods.method import GlobalSet, check_finite
from iot_fl_ros.training.trainer import Schedule, log_prior

SIZE = info_of('fedavg').state_size


def state_of(value):
    participant = aggregator()
    return np.full(participant.trainer.state_size, value, np.float32)


def test_fedavg_weighs_by_samples():
    fed = method('fedavg')
    participant = aggregator()
    fed.info = info_of('fedavg')
    size = fed.info.state_size
    updates = [
        update('a', 30, state=np.full(size, 1.0, np.float32)),
        update('b', 10, state=np.full(size, 5.0, np.float32)),
    ]
    np.testing.assert_allclose(fed.aggregate(participant, updates, 1)['state'], 2.0)


@pytest.mark.parametrize('upload', ['uint8', 'topk'])
def test_what_compression_loses_comes_in_the_next_round(upload):
    change = np.random.default_rng(0).normal(size=5_000).astype(np.float32)
    residual = np.zeros_like(change)
    received = np.zeros_like(change)
    for _ in range(200):
        wanted = change + residual
        sent = compression.decode(compression.encode(wanted, upload, 0.05), len(change))
        residual = wanted - sent
        received += sent
    np.testing.assert_allclose(received / 200, change, atol=0.35 if upload == 'topk' else 1e-3)


def test_eight_bits_by_hand():
    change = np.array([0.0, 1.27, -1.27, 0.635], np.float32)
    tensors = compression.encode(change, 'uint8', 0.0)
    assert tensors['change'].tolist() == [128, 255, 1, 192]  # 0.635 / 0.01 = 63.5, to even
    np.testing.assert_allclose(compression.decode(tensors, 4), [0, 1.27, -1.27, 0.64], rtol=1e-5)


def test_topk_by_hand():
    change = np.array([0.5, -3.0, 0.25, 2.0, 0.0], np.float32)
    tensors = compression.encode(change, 'topk', 0.4)
    assert tensors['index'].tolist() == [1, 3]
    np.testing.assert_allclose(compression.decode(tensors, 5), [0, -3, 0, 2, 0])


@pytest.mark.parametrize('index', [[1, 1], [3, 1], [1, 9]])
def test_hostile_indices_are_refused(index):
    tensors = {'index': np.array(index, np.uint32), 'value': np.zeros(2, np.float16)}
    with pytest.raises(MessageError):
        receive(tensors)


@pytest.mark.parametrize(
    'change',
    [
        {'change': np.zeros(4, np.uint8)}, {'scale': np.zeros(2, np.float32)},
        {'scale': np.array([-1], np.float32)}, {'scale': np.array([1e30], np.float32)},
    ],
    ids=str,
)  # fmt: skip
def test_hostile_changes_of_eight_bits_are_refused(change):
    tensors = {'change': np.zeros(5, np.uint8), 'scale': np.ones(1, np.float32)}
    receive(tensors)
    with pytest.raises(MessageError):
        receive(tensors | change)


def receive(tensors):
    compression.check(tensors)
    return compression.decode(tensors, 5)


@pytest.mark.parametrize('upload', ['uint8', 'topk'])
def test_a_compressed_update_is_of_the_declared_kind_and_moves_the_model(upload):
    fed = method('fedavg', upload=upload, topk=0.5)
    participant, server = robot(), aggregator()
    state = server.trainer.state()
    fed.info = info_of('fedavg')
    object.__setattr__(fed.info, 'state_size', len(state))
    fed.adopt(participant, [GlobalSet(0, {'state': state})])
    tensors, _ = fed.train(participant, 1)
    assert all_allowed(fed.update_specs(1), specs_of(tensors))
    fed.check_values(tensors, 1)
    new = fed.aggregate(server, [update('r1', 20, **tensors)], 1)['state']
    trained = participant.trainer.state()
    assert np.abs(new - trained).max() < np.abs(state - trained).max()
    is_trained = participant.trainer.trained_values()
    sent = new[is_trained] + participant.memory['residual']
    np.testing.assert_allclose(sent, trained[is_trained], atol=1e-5)
    np.testing.assert_array_equal(new[~is_trained], trained[~is_trained])


def test_fedprox_adds_the_gradient_of_the_proximal_term():
    # With mu = 1 / learning rate each step goes back to the start before its own gradient.
    free, held = robot(), robot()
    held.trainer.set_state(free.trainer.state())
    start = free.trainer.state()
    free.trainer.train_private(Schedule(5, 20, 0.5), 0)
    held.trainer.train_private(Schedule(5, 20, 0.5, proximal=2.0), 0)
    trained = free.trainer.trained_values()
    far = np.abs(free.trainer.state() - start)[trained].sum()
    near = np.abs(held.trainer.state() - start)[trained].sum()
    assert near < far / 2


def test_fedprox_takes_the_steps_of_its_paper():
    # gradient of CE(w) + mu/2 |w - w_0|^2, one step a round of all samples, three rounds deep.
    fed = method('fedprox', mu=0.5, local_epochs=3, batch_size=20, learning_rate=0.1)
    participant, twin = robot(), model()
    twin.load_state_dict(participant.trainer._model.state_dict())
    start = [p.detach().clone() for p in twin.parameters()]
    values, labels = torch.from_numpy(PRIVATE.values), torch.from_numpy(PRIVATE.labels)
    fed.train(participant, 1)
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1)
    for _ in range(3):
        far = sum(((p - s) ** 2).sum() for p, s in zip(twin.parameters(), start, strict=True))
        loss = torch.nn.functional.cross_entropy(twin(values), labels) + 0.5 / 2 * far
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for one, other in zip(participant.trainer._model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(('name', 'spread'), [('fedadam', 0.0199), ('fedyogi', 0.02)])
def test_adaptive_aggregation_by_hand(name, spread):
    # w = 0, v_0 = tau^2 = 0.01, change = 1, beta_1 = 0.9, beta_2 = 0.99, eta = 0.1, tau = 0.1:
    # m = 0.1; Adam: v = 0.99 * 0.01 + 0.01 = 0.0199; Yogi: v = 0.01 + 0.01 * 1 = 0.02.
    fed = method(name, server_learning_rate=0.1, tau=0.1)
    participant = aggregator()
    participant.trainer.set_state(np.zeros(participant.trainer.state_size, np.float32))
    object.__setattr__(fed.info, 'state_size', participant.trainer.state_size)
    one = np.ones(participant.trainer.state_size, np.float32)
    new = fed.aggregate(participant, [update('a', state=one)], 1)['state']
    trained = participant.trainer.trained_values()
    np.testing.assert_allclose(new[trained], 0.1 * 0.1 / (spread**0.5 + 0.1), rtol=1e-5)
    np.testing.assert_array_equal(new[~trained], 1.0)  # statistics of BatchNorm: plain mean
    assert set(participant.memory) == {'moment', 'spread'}


def test_moments_go_on_from_round_to_round():
    # As above with changes of 0.5 and 0.25 and w left at 0:
    # m = 0.05, then 0.9 * 0.05 + 0.1 * 0.25 = 0.07;
    # Adam: v = 0.99 * 0.01 + 0.01 * 0.25 = 0.0124, then 0.99 * 0.0124 + 0.01 * 0.0625 = 0.012901.
    fed = method('fedadam', server_learning_rate=0.1, tau=0.1)
    participant = aggregator()
    size = participant.trainer.state_size
    participant.trainer.set_state(np.zeros(size, np.float32))
    object.__setattr__(fed.info, 'state_size', size)
    trained = participant.trainer.trained_values()
    for number, change, moment, spread in ((1, 0.5, 0.05, 0.0124), (2, 0.25, 0.07, 0.012901)):
        state = np.full(size, change, np.float32)
        new = fed.aggregate(participant, [update('a', state=state)], number)['state']
        np.testing.assert_allclose(new[trained], 0.1 * moment / (spread**0.5 + 0.1), rtol=1e-5)


def test_fd_averages_the_outputs_of_the_others():
    fd = method('fd', gamma=1.0)
    own = np.array([[0.8, 0.2, 0], [0.4, 0.6, 0], [0, 0, 0]], np.float32)
    other = np.array([[0.6, 0.4, 0], [0, 0, 0], [0, 0, 1.0]], np.float32)
    third = np.array([[0.2, 0.8, 0], [0, 0, 0], [0, 0, 0]], np.float32)
    updates = [update(n, outputs=t) for n, t in zip('abc', (own, other, third), strict=True)]
    tensors = fd.aggregate(aggregator(), updates, 1)
    assert tensors['robots'].tolist() == [3, 1, 1]
    fd.check_values(tensors, 1)
    participant = robot('a')
    participant.memory.update(own=own, own_round=np.array([1]))
    fd.adopt(participant, [GlobalSet(1, tensors)])
    expected = [[0.4, 0.6, 0], [0, 0, 0], [0, 0, 1]]
    np.testing.assert_allclose(participant.memory['teacher'], expected, atol=1e-6)
    # CE(y) + gamma CE(teacher); the teacher of class 1 is this robot alone: only CE is left.
    targets = fd._targets(np.array([0, 1]), participant.memory['teacher'])
    np.testing.assert_allclose(targets, [[1.4, 0.6, 0], [0, 1, 0]], atol=1e-6)
    half = method('fd', gamma=0.5)._targets(np.array([0, 1]), participant.memory['teacher'])
    np.testing.assert_allclose(half, [[1.2, 0.3, 0], [0, 1, 0]], atol=1e-6)


def test_fd_trains_and_reports_the_classes_it_has():
    fd = method('fd')
    participant = robot()
    tensors, loss = fd.train(participant, 1)
    assert loss > 0
    assert tensors['outputs'].sum(axis=1).round(3).tolist() == [1, 1, 0]
    assert all_allowed(fd.update_specs(1), specs_of(tensors))
    assert len(PRIVATE) == 20


def test_logit_adjustment_by_hand():
    # Two samples of class 0, one of class 1, none of class 2; one is added to each.
    expected = np.log([3 / 6, 2 / 6, 1 / 6])
    np.testing.assert_allclose(log_prior(np.array([0, 0, 1]), 3), expected, rtol=1e-6)


def test_a_balanced_robot_forgets_the_class_it_lacks_less():
    plain, balanced = robot(), robot()
    balanced.trainer.set_state(plain.trainer.state())
    plain.trainer.train_private(Schedule(20, 20, 0.5), 0)
    balanced.trainer.train_private(Schedule(20, 20, 0.5, balance=1.0), 0)
    lacks = [p.trainer.probabilities(PRIVATE)[:, 2].mean() for p in (plain, balanced)]
    assert lacks[1] > 2 * lacks[0]


def test_a_step_is_that_of_torchs_sgd_bit_for_bit():
    participant = robot()
    twin = model()
    twin.load_state_dict(participant.trainer._model.state_dict())
    participant.trainer.train_private(Schedule(3, 7, 0.1), 5)
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1)
    generator = torch.Generator().manual_seed(5)
    values, labels = torch.from_numpy(PRIVATE.values), torch.from_numpy(PRIVATE.labels)
    for _ in range(3):
        for batch in torch.randperm(20, generator=generator).split(7):
            loss = torch.nn.functional.cross_entropy(twin(values[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    for name, tensor in participant.trainer._model.state_dict().items():
        torch.testing.assert_close(tensor, twin.state_dict()[name], rtol=0, atol=0, msg=name)


def test_fd_takes_its_own_rows_out_only_if_they_are_in():
    fd = method('fd')
    rows = np.array([[0.5, 0.5, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    tensors = fd.aggregate(aggregator(), [update(n, outputs=rows) for n in 'bc'], 4)
    late = robot('a')
    late.memory.update(own=np.eye(3, dtype=np.float32), own_round=np.array([4]))
    fd.adopt(late, [GlobalSet(4, tensors)])
    np.testing.assert_allclose(late.memory['teacher'], rows, atol=1e-6)


def test_fd_sums_stay_right_when_every_row_is_a_little_off():
    fd = method('fd')
    rows = np.array([[0.6, 0.409, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    updates = [update(str(n), outputs=rows) for n in range(50)]
    for one in updates:
        fd.check_values(one.tensors, 1)
    fd.check_values(fd.aggregate(aggregator(), updates, 1), 1)


def test_one_absurd_update_does_not_freeze_fedadam():
    fed = method('fedadam')
    participant = aggregator()
    size = participant.trainer.state_size
    object.__setattr__(fed.info, 'state_size', size)
    participant.trainer.set_state(np.zeros(size, np.float32))
    for number in range(1, 30):
        value = 1e7 if number == 1 else 1.0
        update_of = update('a', state=np.full(size, value, np.float32))
        state = fed.aggregate(participant, [update_of], number)['state']
        participant.trainer.set_state(state)
    assert state[participant.trainer.trained_values()].min() > 0.1


@pytest.mark.parametrize('upload', ['uint8', 'topk'])
def test_a_robot_that_diverged_once_can_come_back(upload):
    fed = method('fedavg', upload=upload, topk=0.5)
    participant = robot()
    state = participant.trainer.state()
    object.__setattr__(fed.info, 'state_size', len(state))
    fed.train(participant, 1)
    participant.trainer.set_state(np.full_like(state, np.nan))
    with pytest.raises(DataError, match='diverged'):
        fed.train(participant, 2)
    fed.adopt(participant, [GlobalSet(2, {'state': state})])
    tensors, _ = fed.train(participant, 3)
    fed.check_values(tensors, 3)


def test_top_k_leaves_no_variance_below_zero():
    fed = method('fedavg', upload='topk', topk=0.01, learning_rate=0.5)
    server, participant = aggregator(), robot()
    state = server.trainer.state()
    object.__setattr__(fed.info, 'state_size', len(state))
    for number in range(1, 20):
        fed.adopt(participant, [GlobalSet(number - 1, {'state': state})])
        tensors, _ = fed.train(participant, number)
        state = fed.aggregate(server, [update('r1', 20, **tensors)], number)['state']
        server.trainer.set_state(state)
        variances = server.trainer._model[1].running_var
        assert (variances > 0).all()


def test_an_update_of_the_wrong_length_costs_its_sender_alone():
    fed = method('fedavg', upload='topk', topk=0.5)
    server, participant = aggregator(), robot()
    object.__setattr__(fed.info, 'state_size', server.trainer.state_size)
    good, _ = fed.train(participant, 1)
    bad = {**good, 'statistics': good['statistics'][:-1]}
    alone = fed.aggregate(server, [update('a', **good)], 1)['state']
    both = fed.aggregate(server, [update('a', **good), update('b', **bad)], 1)['state']
    np.testing.assert_array_equal(alone, both)
    with pytest.raises(MessageError):
        fed.aggregate(server, [update('b', **bad)], 1)


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(value):
    with pytest.raises(MessageError, match='state holds NaN or infinity'):
        check_finite({'state': np.array([value], np.float32)})


@pytest.mark.parametrize(
    ('outputs', 'reason'), [([-0.5, 1.5], 'out of range'), ([0.5, 0.4], 'no distribution')]
)
def test_outputs_of_fd_that_are_no_distributions_are_refused(outputs, reason):
    fd = method('fd')
    fd.check_values({'outputs': np.array([[0.5, 0.5], [0.0, 0.0]], np.float32)}, 1)
    with pytest.raises(MessageError) as error:
        fd.check_values({'outputs': np.array([outputs, [0.0, 0.0]], np.float32)}, 1)
    assert error.value.reason == reason


def test_values_that_no_model_holds_are_refused():
    with pytest.raises(MessageError, match='beyond'):
        check_finite({'state': np.array([1e9], np.float32)})
