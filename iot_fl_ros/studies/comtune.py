"""A bundle made by COMtune, and its accuracy against loss beside that of the base model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from iot_fl_ros.data.registry import load_samples
from iot_fl_ros.link.settings import LinkSettings
from iot_fl_ros.split.bundle import Bundle, save_bundle
from iot_fl_ros.split.evaluation import LossEvaluation
from iot_fl_ros.split.recipe import Recipe, RecipeSettings, spread
from iot_fl_ros.split.training import Epoch

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
