"""A study of loss: the accuracy of split models when packets are lost. Format: docs/split.md.

Every model of it is trained once per data set and seed and kept as a bundle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iot_fl_ros.core.config import flatten, read_settings, refuse_unknown, setting
from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.core.run_files import write_json
from iot_fl_ros.studies.runner import AnyStudy, Progress, digest_of, read_kept

if TYPE_CHECKING:
    from iot_fl_ros.split.recipe import RecipeSettings

_KEYS = ('kind', 'title', 'text', 'seeds', 'rates', 'settings', 'data_sets', 'variants')
_VARIANTS = 'variants'
BASE = 'plain, float32'
_ROWS = 'rows.json'
Row = dict[str, Any]


@dataclass(frozen=True)
class _Plain:
    """The plain values of a loss study."""

    burst: float = setting(5.0, 'Mean burst of the bursty link, packets.', minimum=1.0)
    deadline: float = setting(0.1, 'Time that a picture may take, s.', minimum=0.0)
    repair_period: float = setting(0.05, 'Time between two attempts, s.', minimum=1e-3)
    test_size: int = setting(10_000, 'Test samples.', minimum=1)


@dataclass(frozen=True)
class LossStudy(AnyStudy):
    """Models to train, and the losses under which to try them. Settings are dotted names."""

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

    @property
    def tasks(self) -> Sequence[LossTask]:
        """One task a data set and seed."""
        return [LossTask(self, name, seed) for seed in self.seeds for name in self.data_sets]

    def settings(self, data_set: str, variant: str, seed: int) -> RecipeSettings:
        """Return the recipe of one bundle."""
        from iot_fl_ros.split.recipe import RecipeSettings

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
        name, str(tree.get('title') or name),
        tuple(int(seed) for seed in tree.get('seeds') or [0]),
        tuple(float(rate) for rate in tree.get('rates') or [0.0, 0.5]), data_sets, variants,
        chosen, read_settings(_Plain, plain), str(tree.get('text') or ''),
    )  # fmt: skip
    refuse_unknown(tree, {*_KEYS, *plain})
    for data_set in data_sets:
        refuse_unknown(study.variants_of(data_set), variants, 'variant')
        for variant in variants:
            study.settings(data_set, variant, 0)
    return study


@dataclass(frozen=True)
class LossTask:
    """All models of one data set and seed: trained, then measured under every loss."""

    study: LossStudy
    section: str
    seed: int

    @property
    def path(self) -> Path:
        """The folder of its files, relative to that of the study."""
        return Path(self.section) / f'seed{self.seed}'

    @property
    def chosen(self) -> tuple[str, ...]:
        """The variants that are tried on the data set."""
        return self.study.variants_of(self.section)

    def recipe(self, variant: str) -> RecipeSettings:
        """Return the recipe of a bundle."""
        return self.study.settings(self.section, variant, self.seed)

    @property
    def digest(self) -> str:
        """Changes with all settings that its rows depend on."""
        recipes = [self.recipe(name) for name in (BASE, *self.chosen)]
        return digest_of(repr((recipes, self.chosen, self.study.rates, self.study.plain)))

    def rows(self, output: Path) -> list[Row] | None:
        """Return the rows measured before under the same settings, or None."""
        return read_kept(output / self.path / _ROWS, self.digest).get('rows')

    def done(self, output: Path) -> bool:
        """Return whether it has been measured."""
        return self.rows(output) is not None

    def error(self, output: Path) -> str:
        """Return why it failed; empty if it did not."""
        return str(read_kept(output / self.path / _ROWS, self.digest).get('error', ''))

    def do(self, output: Path, progress: Progress | None) -> list[Row]:
        """Train what is missing; return what was measured."""
        from iot_fl_ros.studies.loss_measures import measure, train_bundle

        for variant in (BASE, *self.chosen):
            train_bundle(self, variant, output, progress)
        return measure(self, output)

    def keep(self, output: Path, result: list[Row] | None, error: str) -> None:
        """Write the rows, or the error; the bundles are there already."""
        path = output / self.path / _ROWS
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = {'error': error} if result is None else {'rows': result}
        write_json(path, {'digest': self.digest, **kept})
