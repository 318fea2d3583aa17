"""A study: methods x cases x seeds, each a run of a fleet in memory.

A study is a YAML file, see docs/studies.md. Runs are independent of each other and of the machine
they happen on: what comes back are the rows of their events.
"""

from __future__ import annotations

import itertools
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from iot_fl_ros.core.config import flatten, read_settings, refuse_unknown
from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.core.run_files import RunWriter, write_json
from iot_fl_ros.memory.resources import ResourceSettings
from iot_fl_ros.studies.fleets import check_settings, resolved_settings
from iot_fl_ros.studies.runner import AnyStudy, Progress, Task, digest_of, read_kept
from iot_fl_ros.studies.sections import ROBOT_MODELS, Case, Section, mapping, read_section

_RESOURCES = 'resources.'
_MARK = 'study.json'
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class StudyRun:
    """One run of a study. resources: settings of `memory.resources`; none = robots have plenty."""

    section: str
    case: str
    method: str
    seed: int
    robots: int
    models: tuple[str, ...]
    settings: Mapping[str, Any] = field(hash=False)
    resources: Mapping[str, Any] = field(hash=False, default_factory=dict)

    @property
    def path(self) -> Path:
        """The folder of its files, relative to that of the study."""
        return Path(self.section) / self.case / self.method / f'seed-{self.seed}'

    @property
    def digest(self) -> str:
        """Changes with anything that could change the result, defaults included, but the code."""
        kept = [self.robots, self.models, resolved_settings(self.settings, self.robots)]
        if self.resources:
            kept.append(asdict(read_settings(ResourceSettings, self.resources)))
        return digest_of(json.dumps(kept, sort_keys=True))

    def mark(self, output: Path) -> dict[str, Any]:
        """Return what was noted when this very run ended: `seconds` or `error`; else nothing.

        A run whose settings have changed since is another run.
        """
        return read_kept(output / self.path / _MARK, self.digest)

    def done(self, output: Path) -> bool:
        """Return whether it has ended well."""
        return 'seconds' in self.mark(output)

    def do(self, output: Path, progress: Progress | None) -> tuple[Rows, float]:
        """Run it in memory on one thread; return the rows of its events, and s of real time."""
        import torch

        from iot_fl_ros.studies.fleet_runs import simulate

        torch.set_num_threads(1)
        start = time.perf_counter()
        rows = simulate(self.settings, self.robots, self.resources, self.models, self.seed)
        return rows, time.perf_counter() - start

    def keep(self, output: Path, result: tuple[Rows, float] | None, error: str) -> None:
        """Write the files of the run; the mark is the last of them."""
        rows, seconds = result or ([], 0.0)
        folder = output / self.path
        shutil.rmtree(folder, ignore_errors=True)
        writer = RunWriter(folder, dict(self.settings), 0)
        for row in rows:
            writer.record(row)
        mark = {'error': error} if error else {'seconds': seconds}
        write_json(folder / _MARK, {'digest': self.digest, **mark})


@dataclass(frozen=True)
class Study(AnyStudy):
    """A study that compares methods."""

    name: str
    title: str
    text: str
    sections: tuple[Section, ...]

    @property
    def runs(self) -> list[StudyRun]:
        """All runs, one seed after the other, so that a table has no holes early."""
        runs = [run for section in self.sections for run in _runs_of(section)]
        return sorted(runs, key=lambda run: run.seed)

    @property
    def tasks(self) -> Sequence[Task]:
        """Its runs."""
        return self.runs


def read_study(name: str, tree: Mapping[str, Any]) -> Study:
    """Check a study; ConfigError names what is wrong, also in the settings of any run."""
    refuse_unknown(tree, ('kind', 'title', 'text', 'settings', 'sections'))
    base = mapping('settings', tree.get('settings'))
    sections = tuple(
        read_section(key, value, flatten(base))
        for key, value in mapping('sections', tree.get('sections')).items()
    )
    if not sections:
        raise ConfigError(f'study {name!r} has no sections')
    study = Study(name, tree.get('title', name), tree.get('text', ''), sections)
    for run in study.runs:
        try:
            check_settings(run.settings, run.robots, run.resources, run.models)
        except ConfigError as error:
            raise ConfigError(f'{run.path}: {error}') from error
    return study


def _runs_of(section: Section) -> Sequence[StudyRun]:
    combinations = itertools.product(section.seeds, section.cases, section.methods)
    return [_run_of(section, case, method, seed) for seed, case, method in combinations]


def _run_of(section: Section, case: Case, method: str, seed: int) -> StudyRun:
    settings = {
        **section.settings,
        **case.settings,
        **section.methods[method],
        'run.name': f'{section.name}-{method}',
        'run.robots': section.robots,
        'run.seed': seed,
        'data.seed': seed,
    }
    models = tuple(settings.pop(ROBOT_MODELS, ()))
    resources = {k.removeprefix(_RESOURCES): v for k, v in settings.items() if _is_resource(k)}
    settings = {k: v for k, v in settings.items() if not _is_resource(k)}
    return StudyRun(
        section.name, case.name, method, seed, section.robots, models, settings, resources
    )


def _is_resource(name: str) -> bool:
    return name.startswith(_RESOURCES)
