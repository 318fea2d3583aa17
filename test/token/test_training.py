"""Visits: with one robot, Tram-FL is SGD with momentum."""

import numpy as np
import pytest
import torch
from torch import nn

from iot_fl_ros.data.samples import Samples
from iot_fl_ros.token.token import Log, Token, merged, token_tensors
from iot_fl_ros.training.trainer import Trainer

NAMES = ('a', 'b', 'c')


@pytest.fixture
def samples():
    rng = np.random.default_rng(0)
    return Samples(rng.normal(size=(40, 6)).astype(np.float32), rng.integers(0, 3, 40), NAMES)


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))


def test_momentum_is_that_of_torch(samples):
    batches = np.random.default_rng(1).integers(0, 40, (9, 8))
    reference = net()
    optimizer = torch.optim.SGD(reference.parameters(), lr=0.05, momentum=0.9)
    for batch in batches:
        optimizer.zero_grad()
        logits = reference(torch.from_numpy(samples.values[batch]))
        nn.functional.cross_entropy(logits, torch.from_numpy(samples.labels[batch])).backward()
        optimizer.step()
    wanted = torch.cat([p.detach().reshape(-1) for p in reference.parameters()]).numpy()

    trainer = Trainer(net(), 'cpu', samples)
    velocity = np.zeros(trainer.state_size, np.float32)
    for part in (batches[:4], batches[4:]):  # two visits: the momentum goes on
        _, velocity = trainer.train_with_momentum(
            part, learning_rate=0.05, momentum=0.9, velocity=velocity, seed=0
        )
    assert trainer.state() == pytest.approx(wanted, abs=1e-6)


def test_dropout_is_drawn_from_the_seed(samples):
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(99)
        model = nn.Sequential(nn.Linear(6, 50), nn.Dropout(0.5), nn.Linear(50, 3))
        trainer = Trainer(model, 'cpu', samples)
        torch.rand(seed)  # the state that others leave behind does not matter
        velocity = np.zeros(trainer.state_size, np.float32)
        trainer.train_with_momentum(
            np.arange(40).reshape(4, 10), learning_rate=0.1, momentum=0.9, velocity=velocity,
            seed=seed,
        )  # fmt: skip
        results.append(trainer.state())
    assert (results[0] == results[1]).all()
    assert (results[0] != results[2]).any()


def token(token_id, value, updates, usage):
    model = np.full(4, value, np.float32)
    return Token(token_id, 1, True, Log(usage, updates=updates), token_tensors(model, -model, 32))


def test_tokens_that_meet_are_averaged_by_their_mini_batches():
    tensors, usage = merged(token(0, 1.0, 30, (60, 0)), token(1, 5.0, 10, (0, 20)), 32)
    assert tensors['model'].tolist() == [2.0] * 4
    assert tensors['velocity'].tolist() == [-2.0] * 4
    assert usage == (45, 5)
