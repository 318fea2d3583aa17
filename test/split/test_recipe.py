"""Recipes: what is kept is taken up only by the same recipe."""

import numpy as np
import pytest

from iot_fl_ros.core.config import read_settings
from iot_fl_ros.split.recipe import Recipe, RecipeSettings, spread

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


def test_samples_are_taken_from_all_over():
    chosen = spread(1_000, 100)
    assert len(set(chosen.tolist())) == 100
    assert chosen.max() > 900
    assert spread(3, 10).tolist() == [0, 1, 2]
