"""A study of loss: how right split models are when packets are lost. Format: docs/split.md.

Every model of it is trained once per data set and seed and kept as a bundle.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from iot_fl_ros.core.config import flatten, read_settings, refuse_unknown, setting
from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.data.registry import load_samples
from iot_fl_ros.data.samples import Samples
from iot_fl_ros.link.settings import LinkSettings
from iot_fl_ros.split.bundle import Bundle, load_bundle, save_bundle
from iot_fl_ros.split.evaluation import LossEvaluation, jpeg_baseline
from iot_fl_ros.split.layout import ORDERS
from iot_fl_ros.split.recipe import Recipe, RecipeSettings, spread
from iot_fl_ros.split.training import Epoch

_KEYS = ('kind', 'title', 'text', 'seeds', 'rates', 'settings', 'data_sets', 'variants')
_VARIANTS = 'variants'
BASE = 'plain, float32'
ROWS = 'rows.json'
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
    chosen: Mapping[str, tuple[str, ...]]
    plain: _Plain
    text: str = ''

    def variants_of(self, data_set: str) -> tuple[str, ...]:
        """Return the variants that are tried on a data set: those it names, else all."""
        return self.chosen[data_set] or tuple(self.variants)

    def settings(self, data_set: str, variant: str, seed: int) -> RecipeSettings:
        """Return the recipe of one bundle."""
        own = self.variants.get(variant, {'codec.bits': 32})
        return read_settings(RecipeSettings, {**self.data_sets[data_set], **own, 'seed': seed})


def read_loss_study(name: str, tree: Mapping[str, Any]) -> LossStudy:
    """Return the study that a YAML file describes; ConfigError names what is wrong."""
    plain = {key: value for key, value in tree.items() if key not in _KEYS}
    shared = flatten(tree.get('settings') or {})
    data_sets, chosen = {}, {}
    for key, own in (tree.get('data_sets') or {}).items():
        flat = {**shared, **flatten(own or {})}
        chosen[str(key)] = tuple(flat.pop(_VARIANTS, ()))
        data_sets[str(key)] = flat
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
        chosen,
        read_settings(_Plain, plain),
        str(tree.get('text') or ''),
    )
    refuse_unknown(tree, {*_KEYS, *plain})
    for data_set in data_sets:
        refuse_unknown(study.variants_of(data_set), variants)
        for variant in variants:
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


def rows_digest(study: LossStudy, data_set: str, seed: int) -> str:
    """Return a digest of all settings that the rows of a data set and seed depend on."""
    recipes = [
        study.settings(data_set, variant, seed) for variant in (BASE, *study.variants_of(data_set))
    ]
    text = repr((recipes, study.variants_of(data_set), study.rates, study.plain))
    return hashlib.sha256(text.encode()).hexdigest()


def measure(study: LossStudy, data_set: str, seed: int, output: Path) -> list[Row]:
    """Return one row per method and loss rate: name, rate, accuracy, bytes, packets.

    The bundles are there already. Methods: the plain model and every variant on a link of
    independent losses; variants also on a bursty link and with sequential packets; a JPEG of as
    many bytes as the smallest variant, best effort and reliable.
    """
    torch.set_num_threads(1)
    samples = _test_samples(study, data_set)
    rows: list[Row] = []
    smallest: Bundle | None = None
    for variant in (BASE, *study.variants_of(data_set)):
        bundle = load_bundle(bundle_folder(output, data_set, seed, variant))
        evaluation = LossEvaluation(bundle, samples)
        layout = bundle.codec.layout
        size = {'bytes': layout.frame_bytes, 'packets': layout.packets}
        for rate in study.rates:
            for name, link, order in _conditions(study, variant, rate, seed):
                accuracy = evaluation.accuracy(link, order)
                rows.append({'method': name, 'rate': rate, 'accuracy': accuracy, **size})
        if smallest is None or layout.frame_bytes < smallest.codec.layout.frame_bytes:
            smallest = bundle
    assert smallest is not None
    plain = load_bundle(bundle_folder(output, data_set, seed, BASE))
    budget = smallest.codec.layout.frame_bytes
    return rows + _jpeg_rows(study, plain, samples, budget, seed)


def _conditions(
    study: LossStudy, variant: str, rate: float, seed: int
) -> Iterator[tuple[str, LinkSettings, str]]:
    """Yield (name of the row, link, order of features in packets)."""
    iid = LinkSettings(loss=rate, seed=seed)
    yield variant, iid, ''
    if variant == BASE or rate == 0:
        return
    # More than this cannot be lost in bursts of that length.
    burst = max(study.plain.burst, 1.01 * rate / (1 - rate)) if rate < 1 else 0.0
    bursty = LinkSettings(loss=rate, burst=burst, seed=seed)
    sequential = next(order for order in ORDERS if order != 'interleaved')
    yield f'{variant}, bursts', bursty, ''
    yield f'{variant}, sequential', iid, sequential
    yield f'{variant}, sequential, bursts', bursty, sequential


def _jpeg_rows(
    study: LossStudy, plain: Bundle, samples: Samples, budget: int, seed: int
) -> list[Row]:
    jpeg = jpeg_baseline(plain, samples, budget)
    size = {'bytes': jpeg.mean_bytes, 'packets': float(jpeg.packets.mean())}
    deadline, period = study.plain.deadline, study.plain.repair_period
    rows: list[Row] = []
    for rate in study.rates:
        best_effort = jpeg.best_effort(rate)
        reliable, seconds = jpeg.reliable(rate, deadline, period, seed)
        unlimited, _ = jpeg.reliable(rate, float('inf'), period, seed)
        for name, accuracy in (
            (f'JPEG q{jpeg.quality}, BEST_EFFORT', best_effort),
            (f'JPEG, RELIABLE, by {1e3 * deadline:.0f} ms', reliable),
            ('JPEG, RELIABLE, whenever', unlimited),
        ):
            row = {'method': name, 'rate': rate, 'accuracy': accuracy, **size}
            rows.append({**row, 'seconds': seconds} if 'whenever' in name else row)
    return rows


def _test_samples(study: LossStudy, data_set: str) -> Samples:
    name = study.settings(data_set, BASE, 0).split.data
    samples = load_samples(name, 'test')
    return samples.take(spread(len(samples), study.plain.test_size))
