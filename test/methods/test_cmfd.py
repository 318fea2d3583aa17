"""The maths of CMFD, gossip and alone."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from method_makers import OPEN, PRIVATE, info_of, model

from iot_fl_ros.core.config import read_settings
from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.exchange.open_round import Update
from iot_fl_ros.mesh.graph import mixing_weights
from iot_fl_ros.methods.cmfd import Cmfd
from iot_fl_ros.methods.dsfl import DsFl, DsFlSettings
from iot_fl_ros.methods.gossip import Gossip, GossipSettings
from iot_fl_ros.methods.labels.settings import LabelSettings
from iot_fl_ros.methods.method import Participant, disagreement
from iot_fl_ros.training.trainer import Trainer

INFO = info_of('fedavg')


def cmfd(**settings):
    plain = {'weighting': 'none', 'open_samples': 3, 'label_dtype': 'float32', 'packed': False}
    return Cmfd(read_settings(LabelSettings, plain | settings), INFO)


def gossip(**settings):
    return Gossip(read_settings(GossipSettings, settings), info_of_state())


def info_of_state():
    trainer = Trainer(model(), 'cpu')
    return dataclasses.replace(INFO, state_size=trainer.state_size)


def participant(name='a', seed=0):
    torch.manual_seed(seed)
    return Participant(name, Trainer(model(), 'cpu', PRIVATE), OPEN, probe=OPEN)


class Target:
    """Takes the place of distillation and keeps what would be distilled."""

    def __init__(self, method):
        method._labels.distil = self

    def __call__(self, participant, indices, labels, round):
        self.indices, self.labels = indices, labels


def labels(*rows):
    return {'labels': np.array(rows, np.float32)}


A = labels([1, 0, 0], [0.5, 0.5, 0], [0.2, 0.2, 0.6])
B = labels([0, 1, 0], [0.5, 0.5, 0], [0.6, 0.2, 0.2])
C = labels([0, 0, 1], [0.0, 0.5, 0.5], [0.2, 0.6, 0.2])


def test_the_target_is_the_weighted_mean_of_own_and_received_labels():
    method = cmfd()
    target = Target(method)
    method.mix(participant('b'), B, {'c': C, 'a': A}, {'a': 0.25, 'b': 0.5, 'c': 0.25}, 1)
    expected = [[0.25, 0.5, 0.25], [0.375, 0.5, 0.125], [0.4, 0.3, 0.3]]
    np.testing.assert_allclose(target.labels, expected, atol=1e-6)
    np.testing.assert_array_equal(target.indices, method._labels.exchange.asked(1))


def test_on_a_full_graph_every_peer_has_the_target_of_ds_fl():
    method = cmfd()
    target = Target(method)
    four = {'a': A, 'b': B, 'c': C, 'd': A}
    dsfl = DsFl(
        DsFlSettings(weighting='none', open_samples=3, label_dtype='float32', packed=False), INFO
    )
    aggregate = dsfl.aggregate(participant(), [Update(i, t, 1) for i, t in four.items()], 1)
    for robot_id in four:
        others = {i: t for i, t in four.items() if i != robot_id}
        weights = mixing_weights(robot_id, dict.fromkeys(others, 3), others, 'metropolis')
        method.mix(participant(robot_id), four[robot_id], others, weights, 1)
        np.testing.assert_array_equal(target.labels, aggregate['labels'])


def test_who_did_not_label_a_sample_has_no_say_in_it():
    method = cmfd(selection='confidence')
    target = Target(method)
    exchange = method._labels.exchange
    some = np.array([True, False, False])
    own = exchange.encode({}, 1, A['labels'][:2], np.array([True, True, False]))
    other = exchange.encode({}, 1, C['labels'][:1], some)
    measured = method.mix(participant('a'), own, {'c': other}, {'a': 0.75, 'c': 0.25}, 1)
    np.testing.assert_allclose(target.labels, [[0.75, 0, 0.25], [0.5, 0.5, 0]])
    assert len(target.indices) == 2, 'nobody labelled the third'
    assert measured == pytest.approx(0.5), 'two unit vectors, half way from their mean'


def test_familiarity_multiplies_the_weights_of_the_graph():
    method = cmfd(weighting='familiarity', sharpness=5.0)
    target = Target(method)
    near, far = np.zeros(3, np.uint8), np.full(3, 255, np.uint8)
    method.mix(
        participant('a'), {**A, 'distances': far}, {'c': {**C, 'distances': near}},
        {'a': 0.5, 'c': 0.5}, 1,
    )  # fmt: skip
    np.testing.assert_allclose(target.labels, C['labels'], atol=1e-6)


def test_without_its_own_update_a_peer_learns_from_the_others():
    method = cmfd()
    target = Target(method)
    assert math.isnan(method.mix(participant('a'), {}, {'c': C}, {'a': 0.5, 'c': 0.5}, 1))
    np.testing.assert_allclose(target.labels, C['labels'])


def test_alone_it_distils_its_own_labels():
    method = cmfd()
    target = Target(method)
    assert math.isnan(method.mix(participant('a'), A, {}, {'a': 1.0}, 1))
    np.testing.assert_allclose(target.labels, A['labels'])


def test_updates_that_are_no_labels_are_refused():
    method = cmfd()
    with pytest.raises(MessageError, match='sum to 1'):
        method.check_values(labels([1, 1, 0], [1, 0, 0], [1, 0, 0]), 1)


def test_votes_are_single_classes():
    method = cmfd(label_dtype='vote')
    update, _ = method.train(participant('a'), 1)
    target = Target(method)
    method.mix(participant('a'), update, {}, {'a': 1.0}, 1)
    assert set(np.unique(target.labels)) <= {0.0, 1.0}


def test_disagreement_by_hand():
    one, two = np.array([[1, 0]], np.float32), np.array([[0, 1]], np.float32)
    assert disagreement([one, two]) == pytest.approx(0.5)
    assert disagreement([one, one]) == 0
    assert math.isnan(disagreement([one]))
    # Three peers, the third of which is silent on the sample.
    masks = np.array([[True], [True], [False]])
    assert disagreement([one, two, np.zeros((1, 2), np.float32)], masks) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ('dtype', 'slack'), [('float32', 1e-6), ('float16', 1e-3), ('uint8', 5e-2)]
)
def test_gossip_averages_states(dtype, slack):
    method = gossip(weight_dtype=dtype, local_epochs=0)
    a, b = participant('a', 1), participant('b', 2)
    before = a.trainer.state(), b.trainer.state()
    own, _ = method.train(a, 1)
    other, _ = method.train(b, 1)
    method.check_values(other, 1)
    measured = method.mix(a, own, {'b': other}, {'a': 0.75, 'b': 0.25}, 1)
    expected = 0.75 * before[0] + 0.25 * before[1]
    np.testing.assert_allclose(a.trainer.state(), expected, atol=slack)
    assert measured > 0


def test_gossip_shares_out_the_weight_of_what_cannot_be_decoded():
    method = gossip(weight_dtype='uint8', local_epochs=0)
    a = participant('a')
    before = a.trainer.state()
    own, _ = method.train(a, 1)
    broken = {**own, 'statistics': np.zeros(1, np.float32)}
    assert math.isnan(method.mix(a, own, {'b': broken}, {'a': 0.5, 'b': 0.5}, 1))
    np.testing.assert_array_equal(a.trainer.state(), before)


@pytest.mark.parametrize('batches', [1, 7])
def test_gossip_sgd_counts_mini_batches(batches, monkeypatch):
    method = gossip(local_batches=batches, batch_size=5)
    seen = []
    a = participant('a')
    monkeypatch.setattr(
        a.trainer, 'train', lambda samples, *rest: seen.append((len(samples), rest)) or 0.0
    )
    method.train(a, 1)
    assert seen[0][0] == 5 * batches
    assert seen[0][1][1].epochs == 1


@pytest.mark.parametrize('batches', [1, 4])
def test_gossip_sgd_takes_as_many_steps_as_it_was_told(batches, monkeypatch):
    many = PRIVATE.take(np.arange(600) % len(PRIVATE))
    a = Participant('a', Trainer(model(), 'cpu', many), OPEN, probe=OPEN)
    steps = []
    monkeypatch.setattr('iot_fl_ros.training.trainer._step', lambda *args: steps.append(args))
    gossip(local_batches=batches).train(a, 1)
    assert len(steps) == batches
