"""Recipes: what is kept is taken up only by the same recipe; odd models and data are taken."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from iot_fl_ros.core.config import read_settings
from iot_fl_ros.core.errors import DataError
from iot_fl_ros.split.recipe import Recipe, RecipeSettings, evaluation_samples, spread

SMALL = {
    'split.split_point': 'block1.pool',
    'base.epochs': 1,
    'tune.epochs': 1,
    'base.batch_size': 32,
    'tune.batch_size': 32,
    'codec.min_packets': 4,
}


@pytest.fixture
def recipe(toy_npz, tmp_path):
    """A maker of recipes that share a folder of kept work; the epochs done are in `done`."""

    def make(**changes):
        flat = {'split.data': str(toy_npz), **SMALL, **changes}
        return Recipe(
            read_settings(RecipeSettings, flat), tmp_path / 'work', lambda *e: make.done.append(e)
        )

    make.done = []
    return make


def test_the_same_recipe_trains_nothing_twice(recipe):
    first = recipe().tuned(recipe().base())
    assert len(recipe.done) == 2
    again = recipe().tuned(recipe().base())
    assert len(recipe.done) == 2
    np.testing.assert_array_equal(first.codec.constants['low_2'], again.codec.constants['low_2'])


@pytest.mark.parametrize(
    'change',
    [
        {'seed': 5}, {'base.epochs': 2}, {'split.split_point': 'block2.pool'},
        {'split.train_size': 100}, {'base.learning_rate': 0.02},
    ],
    ids=str,
)  # fmt: skip
def test_a_changed_recipe_trains_base_and_tuning_anew(recipe, change):
    recipe().tuned(recipe().base())
    before = len(recipe.done)
    changed = recipe(**change)
    bundle = changed.tuned(changed.base())
    assert bundle.architecture.split_point == change.get('split.split_point', 'block1.pool')
    assert [step for step, _ in recipe.done[before:]][-1] == 'COMtune'
    assert len(recipe.done) - before == 1 + change.get('base.epochs', 1)


def test_other_samples_under_the_same_name_train_anew(recipe, toy_npz, tmp_path):
    arrays = dict(np.load(toy_npz))
    data = tmp_path / 'toy.npz'
    for change in ({}, {'y_train': arrays['y_train'][::-1]}, {'class_names': list('abcd')}):
        np.savez(data, **(arrays | change))
        changed = recipe(**{'split.data': str(data)})
        bundle = changed.tuned(changed.base())
    assert [step for step, _ in recipe.done] == ['base model', 'COMtune'] * 3
    assert bundle.class_names == tuple('abcd')


# --- models of others ----------------------------------------------------------------------------


class Block(nn.Module):
    """A layer that nobody uses, and 3-D beside 2-D convolutions if asked for."""

    def __init__(self, deep=False):
        super().__init__()
        self.used = nn.Conv3d(1, 1, 3, padding=1) if deep else nn.Conv2d(4, 4, 3, padding=1)
        self.spare = nn.Conv2d(4, 4, 1)
        self.deep = deep

    def forward(self, x):
        return self.used(x[:, None])[:, 0] if self.deep else self.used(x)


def plain(shape, classes, block=None):
    layers = OrderedDict(conv=nn.Conv2d(shape[0], 4, 3, padding=1), bn=nn.BatchNorm2d(4))
    layers |= {'relu': nn.ReLU(inplace=True), 'block': block or nn.Identity()}
    size = 4 * shape[1] * shape[2]
    return nn.Sequential(layers | {'flatten': nn.Flatten(), 'logits': nn.Linear(size, classes)})


def spare(shape, classes):
    return plain(shape, classes, Block())


def deep(shape, classes):
    return plain(shape, classes, Block(deep=True))


def frozen(shape, classes):
    model = plain(shape, classes)
    model.conv.weight.requires_grad = False
    return model


@pytest.mark.parametrize(
    ('model', 'split_point'), [(plain, 'bn'), (spare, 'relu'), (spare, 'block'), (deep, 'block')]
)
def test_a_model_that_is_unlike_the_usual_ones_is_trained_and_tuned(recipe, model, split_point):
    made = recipe(
        **{'split.model': f'{__name__}:{model.__name__}', 'split.split_point': split_point}
    )
    base = made.base()
    untuned = {name: value.clone() for name, value in base.cut.head.state_dict().items()}
    tuned = made.tuned(base)
    assert any((value != untuned[n]).any() for n, value in tuned.cut.head.state_dict().items())


def test_what_a_model_freezes_stays_as_it_was(recipe):
    made = recipe(**{'split.model': f'{__name__}:frozen', 'split.split_point': 'bn'})
    base = made.base()
    fresh = base.architecture.build(base.input.shape, 0)
    weight, bias = [one.detach().clone() for one in fresh.head.parameters()][:2]
    for bundle in (base, made.tuned(base)):
        now = list(bundle.cut.head.parameters())
        assert torch.equal(now[0], weight)
        assert not torch.equal(now[1], bias)


# --- test samples --------------------------------------------------------------------------------


def photos(folder, split, kinds, size):
    for number, kind in enumerate(kinds):
        (folder / split / kind).mkdir(parents=True)
        for n in range(8):
            Image.new('L', size, 40 * number + n).save(folder / split / kind / f'{n}.png')


def test_test_samples_have_the_classes_and_the_shape_of_the_bundle(recipe, tmp_path):
    photos(tmp_path / 'photos', 'train', ('ball', 'cone', 'duck', 'frog'), (8, 8))
    photos(tmp_path / 'photos', 'test', ('duck', 'frog'), (12, 10))
    data = str(tmp_path / 'photos')
    bundle = recipe(**{'split.data': data, 'base.batch_size': 8}).base()
    samples = evaluation_samples(bundle, data, 100)
    assert samples.shape == (1, 8, 8)
    assert sorted(set(samples.labels.tolist())) == [2, 3]
    photos(tmp_path / 'photos', 'test', ('goat',), (8, 8))
    with pytest.raises(DataError, match='goat'):
        evaluation_samples(bundle, data, 100)


def test_samples_are_taken_from_all_over():
    chosen = spread(1_000, 100)
    assert len(set(chosen.tolist())) == 100
    assert chosen.max() > 900
    assert spread(3, 10).tolist() == [0, 1, 2]
