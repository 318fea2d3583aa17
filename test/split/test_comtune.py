"""COMtune on a toy problem of seconds: what tuning gives, and that it can be resumed."""

import copy
from collections import OrderedDict
from itertools import islice

import numpy as np
import pytest
import torch
from torch import nn

from iot_fl_ros.core.store import MemoryStore
from iot_fl_ros.link.link import LinkSettings
from iot_fl_ros.split.codec import CodecSpec, fit_codec
from iot_fl_ros.split.comtune import (
    LossDraw,
    LossSettings,
    TunedSplit,
    label_objective,
    tuning_objective,
)
from iot_fl_ros.split.cut import cut
from iot_fl_ros.split.training import TrainingSettings, train

LOSS = 0.7


def samples(count, seed):
    """Ten classes, each a pattern, in noise."""
    rng = np.random.default_rng(seed)
    patterns = np.random.default_rng(99).normal(size=(10, 64)).astype(np.float32)
    labels = rng.integers(0, 10, count)
    x = 0.5 * patterns[labels] + rng.normal(0, 1.0, (count, 64)).astype(np.float32)
    return x.reshape(count, 1, 8, 8).astype(np.float32), labels


def net():
    torch.manual_seed(0)
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(1, 8, 3, padding=1), relu=nn.ReLU(),
            conv2=nn.Conv2d(8, 8, 3, padding=1), bn2=nn.BatchNorm2d(8), relu2=nn.ReLU(),
            conv3=nn.Conv2d(8, 8, 3, padding=1), bn3=nn.BatchNorm2d(8), relu3=nn.ReLU(),
            flatten=nn.Flatten(), logits=nn.Linear(512, 10),
        )
    )  # fmt: skip


@pytest.fixture(scope='module')
def base():
    """A trained model."""
    x, labels = samples(1_500, 1)
    model = net()
    settings = TrainingSettings(epochs=6, batch_size=50, learning_rate=0.05)
    list(train(model, label_objective(model, labels), lambda i: x[i], len(x), settings, 0))
    return model


def split_of(base, **spec):
    """A copy of the trained model, cut, with a codec fitted."""
    parts = cut(copy.deepcopy(base).eval(), 'relu')
    with torch.no_grad():
        features = parts.head(torch.from_numpy(samples(300, 2)[0])).flatten(1).numpy()
    codec = fit_codec(CodecSpec(((8, 8, 8),), **{'bits': 4, **spec}), features)
    return TunedSplit(parts, codec)


def tuning(split, loss=None, labelled=True, epochs=5, store=None, link=None):
    """Yield after each epoch of tuning."""
    x, labels = samples(1_500, 1)
    loss = loss or LossSettings()
    draw = LossDraw(split.channel.codec, loss, link or LinkSettings())
    objective = tuning_objective(split, draw, labels if labelled else None, loss)
    settings = TrainingSettings(epochs=epochs, batch_size=50, learning_rate=0.02)
    return train(split, objective, lambda i: x[i], len(x), settings, 3, store, 'tune')


def answers(split, loss):
    """Logits for test samples, at a share of packets lost, and their labels."""
    x, labels = samples(1_000, 5)
    generator = torch.Generator().manual_seed(7)
    keep = torch.rand(1_000, split.channel.codec.layout.packets, generator=generator) >= loss
    with torch.no_grad():
        return split.eval()(torch.from_numpy(x), keep), torch.from_numpy(labels)


def accuracy(split, loss):
    logits, labels = answers(split, loss)
    return float((logits.argmax(1) == labels).float().mean())


def test_tuned_beats_untuned_where_packets_are_lost(base):
    untuned, tuned = split_of(base), split_of(base)
    list(tuning(tuned))
    assert accuracy(untuned, 0.0) > 0.9
    assert accuracy(tuned, 0.0) > accuracy(untuned, 0.0) - 0.03
    assert accuracy(tuned, LOSS) > accuracy(untuned, LOSS) + 0.1


def test_compensation_pays_where_batch_normalisation_follows(base):
    # Batch normalisation knows how large features are without losses.
    with_it, without = split_of(base), split_of(base, compensate=False)
    assert accuracy(with_it, 0.0) == accuracy(without, 0.0)
    assert accuracy(with_it, 0.8) > accuracy(without, 0.8) + 0.1


def test_tuning_that_was_interrupted_ends_bit_for_bit_the_same(base):
    whole = split_of(base)
    losses = [epoch.loss for epoch in tuning(whole, epochs=3)]
    store = MemoryStore()
    first = split_of(base)
    begun = [epoch.loss for epoch in islice(tuning(first, epochs=3, store=store), 2)]
    again = split_of(base)
    torch.rand(5)  # whatever happens in between
    resumed = [epoch.loss for epoch in tuning(again, epochs=3, store=store)]
    assert begun + resumed == losses
    assert len(resumed) == 1
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_tuning_on_a_bursty_link_is_resumed_exactly_too(base):
    link = LinkSettings(loss=0.5, burst=5.0)
    whole, again, store = split_of(base), split_of(base), MemoryStore()
    losses = [epoch.loss for epoch in tuning(whole, epochs=2, link=link)]
    begun = [epoch.loss for epoch in islice(tuning(again, epochs=2, link=link, store=store), 1)]
    resumed = [e.loss for e in tuning(split_of(base), epochs=2, link=link, store=store)]
    assert begun + resumed == losses


def test_a_training_of_other_settings_is_not_taken_up(base):
    store = MemoryStore()
    list(tuning(split_of(base), epochs=1, store=store))
    assert len(list(tuning(split_of(base), epochs=2, store=store))) == 2
    assert not list(tuning(split_of(base), epochs=2, store=store))


def test_imitation_needs_no_labels(base):
    untuned, tuned = split_of(base), split_of(base)
    list(tuning(tuned, labelled=False))
    wanted = answers(split_of(base, bits=32), 0.0)[0].log_softmax(1)

    def difference(split):
        logits = answers(split, LOSS)[0].log_softmax(1)
        return nn.functional.kl_div(logits, wanted, log_target=True, reduction='batchmean')

    assert difference(tuned) < 0.6 * difference(untuned)
    assert accuracy(tuned, LOSS) > accuracy(untuned, LOSS) + 0.05


def test_the_untuned_model_is_the_teacher_and_stays_as_it_is(base):
    split = split_of(base)
    x = torch.from_numpy(samples(50, 4)[0])
    settings = LossSettings(low=0.0, high=0.0, teacher=1.0)
    draw = LossDraw(split.channel.codec, settings, LinkSettings())
    objective = tuning_objective(split, draw, None, settings)
    before = objective(x, np.arange(50)).item()
    with torch.no_grad():
        split.tail.modules_in_order[-1].bias += torch.tensor([30.0] + [0.0] * 9)
    assert before < 0.1
    assert objective(x, np.arange(50)).item() > before + 0.3


def test_pictures_are_mirrored_and_moved_by_four_pixels_at_most():
    seen = []

    def objective(x, indices):
        seen.append(x.numpy())
        return (weight * x).mean() + weight

    weight = nn.Parameter(torch.ones(()))
    model = nn.Module()
    model.weight = weight
    picture = np.zeros((1, 1, 16, 16), np.float32)
    picture[0, 0, 8, 6] = 1.0
    settings = TrainingSettings(epochs=40, batch_size=1, learning_rate=0.01, augment='flip_shift')
    list(train(model, objective, lambda i: picture[i], 1, settings, 0))
    places = [tuple(map(int, np.unravel_index(x.argmax(), (16, 16)))) for x in seen]
    assert all(x.shape == (1, 1, 16, 16) and x.sum() == 1.0 for x in seen)
    assert {row for row, _ in places} <= set(range(4, 13))
    columns = {column for _, column in places}
    assert columns <= {*range(2, 11), *range(5, 14)}, 'about 6, mirrored about 9'
    assert min(columns) < 5
    assert max(columns) > 10


def test_statistics_may_stay_as_they_are_while_weights_are_trained(base):
    x, labels = samples(200, 1)
    settings = TrainingSettings(epochs=1, batch_size=50, learning_rate=0.05)
    for freeze in (True, False):
        model = copy.deepcopy(base)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        objective = label_objective(model, labels)
        list(train(model, objective, lambda i: x[i], 200, settings, 0, freeze_statistics=freeze))
        now = model.state_dict()
        assert torch.equal(now['bn2.running_mean'], before['bn2.running_mean']) is freeze
        assert not torch.equal(now['conv2.weight'], before['conv2.weight'])
