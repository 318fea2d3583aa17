"""A study of loss: how right split models are when packets are lost. Format: docs/split.md.

Every model of it is trained once per data set and seed and kept as a bundle.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from iot_fl_ros.core.config import flatten, read_settings, refuse_unknown, setting
from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.split.bundle import Bundle, load_bundle, save_bundle
from iot_fl_ros.split.recipe import Recipe, RecipeSettings
from iot_fl_ros.split.training import Epoch

_KEYS = ('kind', 'title', 'seeds', 'rates', 'settings', 'data_sets', 'variants')
BASE = 'plain, float32'
Row = dict[str, Any]


@dataclass(frozen=True)
class _Plain:
    """The plain values of a loss study."""

    burst: float = setting(5.0, 'Mean burst of the bursty link, packets.', minimum=1.0)
    deadline: float = setting(0.1, 'Time that a picture may take, s.', minimum=0.0)
    repair_period: float = setting(0.05, 'Time between two attempts, s.', minimum=1e-3)
    test_size: int = setting(10_000, 'Test samples.', minimum=1)


@dataclass(frozen=True)
class LossStudy:
    """What to train and under which losses to try it. Settings are dotted names."""

    name: str
    title: str
    seeds: tuple[int, ...]
    rates: tuple[float, ...]
    data_sets: Mapping[str, Mapping[str, Any]]
    variants: Mapping[str, Mapping[str, Any]]
    plain: _Plain

    def settings(self, data_set: str, variant: str, seed: int) -> RecipeSettings:
        """Return the recipe of one bundle."""
        own = self.variants.get(variant, {'codec.bits': 32})
        return read_settings(RecipeSettings, {**self.data_sets[data_set], **own, 'seed': seed})


def read_loss_study(name: str, tree: Mapping[str, Any]) -> LossStudy:
    """Return the study that a YAML file describes; ConfigError names what is wrong."""
    plain = {key: value for key, value in tree.items() if key not in _KEYS}
    shared = flatten(tree.get('settings') or {})
    data_sets = {
        str(key): {**shared, **flatten(own or {})}
        for key, own in (tree.get('data_sets') or {}).items()
    }
    variants = {str(key): flatten(own or {}) for key, own in (tree.get('variants') or {}).items()}
    if not data_sets or not variants:
        raise ConfigError(f'study {name!r} needs data_sets and variants')
    study = LossStudy(
        name,
        str(tree.get('title') or name),
        tuple(int(seed) for seed in tree.get('seeds') or [0]),
        tuple(float(rate) for rate in tree.get('rates') or [0.0, 0.5]),
        data_sets,
        variants,
        read_settings(_Plain, plain),
    )
    refuse_unknown(tree, {*_KEYS, *plain})
    for data_set, variant in itertools.product(data_sets, variants):
        study.settings(data_set, variant, 0)
    return study


def bundle_folder(output: Path, data_set: str, seed: int, variant: str) -> Path:
    """Return where a bundle of the study is kept."""
    plain_name = ''.join(c if c.isalnum() else '_' for c in variant)
    return output / data_set / f'seed{seed}' / plain_name


def train_bundle(
    study: LossStudy, data_set: str, seed: int, variant: str, output: Path,
    progress: Callable[[str, Epoch], None] | None = None,
) -> Bundle:  # fmt: skip
    """Return a bundle of the study, trained unless it is there."""
    torch.set_num_threads(1)
    folder = bundle_folder(output, data_set, seed, variant)
    settings = study.settings(data_set, variant, seed)
    mark = repr(settings)
    if (folder / 'bundle.json').is_file():
        kept = load_bundle(folder)
        if kept.tuning.get('recipe') == mark:
            return kept
    base_folder = bundle_folder(output, data_set, seed, BASE)
    recipe = Recipe(settings, folder.with_name(f'{folder.name}_work'), progress)
    if variant == BASE:
        bundle = recipe.base()
    else:
        train_bundle(study, data_set, seed, BASE, output, progress)
        bundle = recipe.tuned(load_bundle(base_folder))
    bundle = Bundle(**{**vars(bundle), 'tuning': {**bundle.tuning, 'recipe': mark}})
    return save_bundle(bundle, folder)
