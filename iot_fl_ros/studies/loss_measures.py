"""The work of a study of loss: bundles trained and kept, then measured on lossy links."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import torch

from iot_fl_ros.data.registry import load_samples
from iot_fl_ros.data.samples import Samples
from iot_fl_ros.link.link import LinkSettings
from iot_fl_ros.split.bundle import Bundle, load_bundle, save_bundle
from iot_fl_ros.split.evaluation import LossEvaluation, jpeg_baseline
from iot_fl_ros.split.layout import ORDERS
from iot_fl_ros.split.recipe import Recipe, RecipeSettings, spread
from iot_fl_ros.split.training import Epoch
from iot_fl_ros.studies.loss import BASE, LossStudy, Row
from iot_fl_ros.studies.runner import Progress


def bundle_folder(output: Path, data_set: str, seed: int, variant: str) -> Path:
    """Return where a bundle of the study is kept."""
    plain_name = ''.join(c if c.isalnum() else '_' for c in variant)
    return output / data_set / f'seed{seed}' / plain_name


def train_bundle(
    study: LossStudy, data_set: str, seed: int, variant: str, output: Path,
    progress: Progress | None = None,
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
    bundle = replace(bundle, tuning={**bundle.tuning, 'recipe': mark})
    return save_bundle(bundle, folder)


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


RATES = (0.0, 0.1, 0.3, 0.5, 0.6, 0.7, 0.8)
Bundles = Mapping[str, Bundle]


def make_bundle(
    settings: RecipeSettings, work: Path, folder: Path, progress: Callable[[str, Epoch], None]
) -> dict[str, Bundle]:
    """Return base model and tuned bundle by their titles; the latter is written to `folder`.

    work: folder of unfinished steps.
    """
    recipe = Recipe(settings, work, progress)
    tuned = save_bundle(recipe.tuned(recipe.base()), folder)
    base = recipe.base()  # tuning has changed the other one
    return {
        f'base model, {base.codec.spec.bits} bits': base,
        f'tuned, {tuned.codec.spec.bits} bits': tuned,
    }


def accuracies(
    bundles: Bundles, settings: RecipeSettings, test_size: int
) -> dict[str, dict[float, float]]:
    """Return the accuracy of each bundle at each loss rate, on some of the test samples."""
    samples = load_samples(settings.split.data, 'test')
    samples = samples.take(spread(len(samples), test_size))
    curves: dict[str, dict[float, float]] = {}
    for name, bundle in bundles.items():
        evaluation = LossEvaluation(bundle, samples)
        curves[name] = {
            rate: evaluation.accuracy(LinkSettings(loss=rate, seed=settings.seed))
            for rate in RATES
        }
    return curves
