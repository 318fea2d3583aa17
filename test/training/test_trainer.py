"""The trainer: what it learns, predicts and lets others read and set."""

import numpy as np
import pytest
import torch
from torch import nn

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.data.samples import Samples
from iot_fl_ros.training.settings import samples_a_batch
from iot_fl_ros.training.trainer import Schedule, Trainer, log_prior, resolve_device

NAMES = ('a', 'b', 'c')
SCHEDULE = Schedule(epochs=3, batch_size=8, learning_rate=0.5)


@pytest.fixture
def samples():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 60)
    values = rng.normal(0, 0.3, (60, 6)).astype(np.float32)
    values[np.arange(60), labels] += 2
    return Samples(values, labels, NAMES)


def trainer(private=None, seed=0):
    torch.manual_seed(seed)
    return Trainer(nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)), 'cpu', private)


def test_it_learns_and_the_seed_decides_how(samples):
    one, two, other = trainer(samples), trainer(samples), trainer(samples)
    before = one.accuracy(samples)
    losses = [one.train_private(SCHEDULE, 1), two.train_private(SCHEDULE, 1)]
    assert losses[0] == losses[1]
    assert np.array_equal(one.state(), two.state())
    assert one.accuracy(samples) > max(before, 0.9)
    other.train_private(SCHEDULE, 2)
    assert not np.array_equal(one.state(), other.state())


def test_soft_labels_teach_as_hard_ones_do(samples):
    hard, soft = trainer(samples), trainer(samples)
    hard.train(samples, samples.labels, SCHEDULE, 1)
    soft.train(samples, np.eye(3, dtype=np.float32)[samples.labels], SCHEDULE, 1)
    np.testing.assert_allclose(hard.state(), soft.state(), rtol=1e-4, atol=1e-6)


def test_a_proximal_term_holds_it_near_its_start(samples):
    free, held = trainer(samples), trainer(samples)
    start = free.state()
    free.train_private(SCHEDULE, 1)
    held.train_private(Schedule(3, 8, 0.5, proximal=1.0), 1)
    assert np.linalg.norm(held.state() - start) < np.linalg.norm(free.state() - start)


def test_a_batch_of_one_is_left_out_and_nothing_else(samples):
    one = trainer(samples)
    loss = one.train(samples.take(np.arange(9)), samples.labels[:9], SCHEDULE, 1)
    assert np.isfinite(loss)
    assert np.isnan(one.train(samples.take(np.arange(1)), samples.labels[:1], SCHEDULE, 1))


def test_outputs_are_probabilities_of_the_evaluated_model(samples):
    torch.manual_seed(0)
    one = Trainer(nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5), nn.Linear(8, 3)), 'cpu')
    first, again = one.probabilities(samples), one.probabilities(samples)
    assert first.shape == (60, 3)
    np.testing.assert_allclose(first.sum(axis=1), 1, rtol=1e-5)
    assert np.array_equal(first, again), 'no dropout'
    assert one.features(samples).shape == (60, 8)


def test_a_model_without_a_linear_layer_has_no_features(samples):
    with pytest.raises(ConfigError, match='no linear layer'):
        Trainer(nn.Flatten(), 'cpu').features(samples)


def test_a_state_that_is_set_is_the_state(samples):
    one, two = trainer(seed=0), trainer(seed=1)
    two.set_state(one.state())
    assert np.array_equal(one.state(), two.state())
    assert np.array_equal(one.probabilities(samples), two.probabilities(samples))
    assert one.state_size == len(one.state()) == 6 * 5 + 5 + 5 * 3 + 3
    with pytest.raises(ConfigError, match='state of 3 values'):
        one.set_state(np.zeros(3, np.float32))


def test_statistics_of_layers_are_in_the_state_and_not_trained():
    one = Trainer(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)), 'cpu')
    trained = one.trained_values()
    assert len(trained) == one.state_size == 9 + 6 + 6
    assert trained.sum() == 9 + 6
    assert not trained[-6:].any(), 'running mean and variance'


def test_without_private_samples_nothing_can_be_trained_on(samples):
    for private in (None, samples.unlabelled()):
        with pytest.raises(ConfigError, match=r'data\.private'):
            trainer(private).train_private(SCHEDULE, 1)


def test_bytes_are_pictures(samples):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 256, (4, 1, 8, 8)).astype(np.uint8)
    torch.manual_seed(0)
    one = Trainer(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 3)), 'cpu')
    as_floats = Samples(values.astype(np.float32) / 255, np.zeros(4, np.int64), NAMES)
    as_bytes = Samples(values, np.zeros(4, np.int64), NAMES)
    assert np.array_equal(one.probabilities(as_bytes), one.probabilities(as_floats))


def test_log_priors_count_one_sample_more_of_each():
    prior = log_prior(np.array([0, 0, 0]), 2)
    np.testing.assert_allclose(np.exp(prior), [4 / 5, 1 / 5], rtol=1e-6)


def test_a_gpu_that_is_not_there_is_said(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    assert resolve_device('auto') == 'cpu'
    with pytest.raises(ConfigError, match='use cpu or auto'):
        resolve_device('cuda')


@pytest.mark.parametrize('wanted', [1, -3])
def test_batches_of_one_sample_or_less_are_refused(wanted):
    with pytest.raises(ConfigError, match=f'batch_size is {wanted}: at least 2'):
        samples_a_batch(wanted, 100)
    assert samples_a_batch(0, 100) == samples_a_batch(0, 101)
