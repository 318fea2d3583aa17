"""A bundle for tests and benches: tuned for half a minute, good enough to be right or wrong."""

from __future__ import annotations

from pathlib import Path

import torch

from iot_fl_ros.core.config import read_settings
from iot_fl_ros.split.bundle import Bundle, load_bundle, save_bundle
from iot_fl_ros.split.recipe import Recipe, RecipeSettings

SETTINGS = {
    'split.data': 'fashion-mnist',
    'split.train_size': 5_000,
    'base.epochs': 2,
    'tune.epochs': 2,
    'codec.bits': 2,
    'codec.min_packets': 32,
}


def quick_bundle(folder: Path) -> Bundle:
    """Return the bundle in `folder`, made if it is not there."""
    if not (folder / 'bundle.json').is_file():
        torch.set_num_threads(1)
        recipe = Recipe(read_settings(RecipeSettings, SETTINGS))
        save_bundle(recipe.tuned(recipe.base()), folder)
    return load_bundle(folder)
