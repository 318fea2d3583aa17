"""Bundles trained, kept, measured on lossy links: the work of a study of loss, and of COMtune."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import torch

from iot_fl_ros.link.link import LinkSettings
from iot_fl_ros.split.bundle import Bundle, load_bundle, save_bundle
from iot_fl_ros.split.evaluation import JpegBaseline, LossEvaluation, jpeg_baseline
from iot_fl_ros.split.layout import ORDERS
from iot_fl_ros.split.recipe import Recipe, RecipeSettings, evaluation_samples
from iot_fl_ros.split.training import Epoch
from iot_fl_ros.studies.loss import BASE, LossTask, Row
from iot_fl_ros.studies.runner import Progress

RATES = (0.0, 0.1, 0.3, 0.5, 0.6, 0.7, 0.8)
Bundles = Mapping[str, Bundle]


def _bundle_folder(task: LossTask, variant: str, output: Path) -> Path:
    plain_name = ''.join(c if c.isalnum() else '_' for c in variant)
    return output / task.path / plain_name


def train_bundle(
    task: LossTask, variant: str, output: Path, progress: Progress | None = None
) -> Bundle:
    """Return a bundle of the study, trained unless it is there."""
    torch.set_num_threads(1)
    folder = _bundle_folder(task, variant, output)
    settings = task.recipe(variant)
    recipe = Recipe(settings, folder.with_name(f'{folder.name}_work'), progress)
    mark = f'{settings!r} samples={recipe.digest}'
    if (folder / 'bundle.json').is_file():
        kept = load_bundle(folder)
        if kept.tuning.get('recipe') == mark:
            return kept
    if variant == BASE:
        bundle = recipe.base()
    else:
        train_bundle(task, BASE, output, progress)
        bundle = recipe.tuned(load_bundle(_bundle_folder(task, BASE, output)))
    bundle = replace(bundle, tuning={**bundle.tuning, 'recipe': mark})
    return save_bundle(bundle, folder)


def measure(task: LossTask, output: Path) -> list[Row]:
    """Return one row per method and loss rate: name, rate, accuracy, bytes, packets.

    The bundles are there already. Methods: the plain model and every variant on a link of
    independent losses; variants also on a bursty link and with sequential packets; a JPEG of as
    many bytes as the smallest variant, best effort and reliable.
    """
    torch.set_num_threads(1)
    plain = load_bundle(_bundle_folder(task, BASE, output))
    data = task.recipe(BASE).split.data
    samples = evaluation_samples(plain, data, task.study.plain.test_size)
    rows: list[Row] = []
    sizes = []
    for variant in (BASE, *task.chosen):
        bundle = load_bundle(_bundle_folder(task, variant, output))
        evaluation = LossEvaluation(bundle, samples)
        layout = bundle.codec.layout
        sizes.append(layout.frame_bytes)
        size = {'bytes': layout.frame_bytes, 'packets': layout.packets}
        for rate in task.study.rates:
            for name, link, order in _conditions(task, variant, rate):
                accuracy = evaluation.accuracy(link, order)
                rows.append({'method': name, 'rate': rate, 'accuracy': accuracy, **size})
    return rows + _jpeg_rows(task, jpeg_baseline(plain, samples, min(sizes)))


def _conditions(
    task: LossTask, variant: str, rate: float
) -> Iterator[tuple[str, LinkSettings, str]]:
    """Yield (name of the row, link, order of features in packets)."""
    iid = LinkSettings(loss=rate, seed=task.seed)
    yield variant, iid, ''
    if variant == BASE or rate == 0:
        return
    # More than this cannot be lost in bursts of that length.
    burst = max(task.study.plain.burst, 1.01 * rate / (1 - rate)) if rate < 1 else 0.0
    bursty = replace(iid, burst=burst)
    sequential = next(order for order in ORDERS if order != 'interleaved')
    yield f'{variant}, bursts', bursty, ''
    yield f'{variant}, sequential', iid, sequential
    yield f'{variant}, sequential, bursts', bursty, sequential


def _jpeg_rows(task: LossTask, jpeg: JpegBaseline) -> list[Row]:
    size = {'bytes': jpeg.mean_bytes, 'packets': float(jpeg.packets.mean())}
    deadline, period = task.study.plain.deadline, task.study.plain.repair_period
    rows: list[Row] = []
    for rate in task.study.rates:
        reliable, seconds = jpeg.reliable(rate, deadline, period, task.seed)
        unlimited, _ = jpeg.reliable(rate, float('inf'), period, task.seed)
        for name, accuracy in (
            (f'JPEG q{jpeg.quality}, BEST_EFFORT', jpeg.best_effort(rate)),
            (f'JPEG, RELIABLE, by {1e3 * deadline:.0f} ms', reliable),
            ('JPEG, RELIABLE, whenever', unlimited),
        ):
            row = {'method': name, 'rate': rate, 'accuracy': accuracy, **size}
            rows.append({**row, 'seconds': seconds} if 'whenever' in name else row)
    return rows


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
    samples = evaluation_samples(next(iter(bundles.values())), settings.split.data, test_size)
    curves: dict[str, dict[float, float]] = {}
    for name, bundle in bundles.items():
        evaluation = LossEvaluation(bundle, samples)
        curves[name] = {
            rate: evaluation.accuracy(LinkSettings(loss=rate, seed=settings.seed))
            for rate in RATES
        }
    return curves
