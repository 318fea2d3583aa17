"""A study: methods x cases x seeds, each a run of the fleet in memory.

A study is a YAML file, see docs/studies.md. Runs are independent of each other and of the machine
they happen on: what comes back are the rows of their events.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from iot_fl_ros.core.config import flatten, read_settings, refuse_unknown, setting
from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.fleet.simulation import Simulation
from iot_fl_ros.learning.settings import FleetSettings, resolved

_SECTION_KEYS = (
    'title', 'robots', 'settings', 'cases', 'methods', 'seeds', 'reference', 'goal', 'reach',
)  # fmt: skip
_MODELS = 'robot_models'


@dataclass(frozen=True)
class Goal:
    """What a method must show against the reference, in every case that names no other goal."""

    points: float = setting(2.0, 'Accuracy that may be lost, percentage points.', minimum=0.0)
    ratio: float = setting(100.0, 'Factor by which bytes must shrink.', minimum=0.0)


@dataclass(frozen=True)
class Case:
    """One column of conditions: settings, and the goal under them (None = there is none)."""

    name: str
    settings: Mapping[str, Any]
    goal: Goal | None


@dataclass(frozen=True)
class Section:
    """One table of the report.

    methods: settings by name; `robot_models` among them names models for the robots, in turn.
    reach: points below the reference's best accuracy to which bytes are counted.
    """

    name: str
    title: str
    robots: int
    settings: Mapping[str, Any]
    cases: tuple[Case, ...]
    methods: Mapping[str, Mapping[str, Any]]
    seeds: tuple[int, ...]
    reference: str
    reach: float | None


@dataclass(frozen=True)
class StudyRun:
    """One run of a study."""

    section: str
    case: str
    method: str
    seed: int
    robots: int
    models: tuple[str, ...]
    settings: Mapping[str, Any] = field(hash=False)

    @property
    def folder(self) -> Path:
        """Where its files go, relative to those of the study."""
        return Path(self.section) / self.case / self.method / f'seed-{self.seed}'

    @property
    def digest(self) -> str:
        """Changes with anything that could change the result, defaults included, but the code."""
        fleet = FleetSettings.from_flat(self.settings)
        everything = resolved(fleet.aggregator, fleet.method_name, fleet.method)
        text = json.dumps([self.robots, self.models, everything], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Study:
    """A whole study."""

    name: str
    title: str
    text: str
    sections: tuple[Section, ...]

    @property
    def runs(self) -> list[StudyRun]:
        """All runs, one seed after the other, so that a table has no holes early."""
        runs = [run for section in self.sections for run in _runs_of(section)]
        return sorted(runs, key=lambda run: run.seed)


def read_study(name: str, tree: Mapping[str, Any]) -> Study:
    """Check a study; ConfigError names what is wrong, also in the settings of any run."""
    refuse_unknown(tree, ('title', 'text', 'settings', 'sections'))
    base = flatten(tree.get('settings') or {})
    sections = tuple(
        _section(key, value, base) for key, value in (tree.get('sections') or {}).items()
    )
    if not sections:
        raise ConfigError(f'study {name!r} has no sections')
    study = Study(name, tree.get('title', name), tree.get('text', ''), sections)
    for run in study.runs:
        try:
            FleetSettings.from_flat(run.settings)
        except ConfigError as error:
            raise ConfigError(f'{run.folder}: {error}') from error
    return study


def do_run(run: StudyRun) -> tuple[list[dict[str, Any]], float]:
    """Run it in memory on one thread; return the rows of its events, and s of real time."""
    torch.set_num_threads(1)
    start = time.perf_counter()
    simulation = Simulation(
        FleetSettings.from_flat(run.settings), robots=run.robots, models=run.models, crashes=False
    )
    simulation.start_all()
    simulation.run()
    return [dict(row) for row in simulation.rows], time.perf_counter() - start


def _section(name: str, tree: Mapping[str, Any], base: Mapping[str, Any]) -> Section:
    refuse_unknown(tree, _SECTION_KEYS)
    methods = {key: flatten(value or {}) for key, value in (tree.get('methods') or {}).items()}
    if not methods:
        raise ConfigError(f'section {name!r} has no methods')
    reference = tree.get('reference', next(iter(methods)))
    if reference not in methods:
        raise ConfigError(f'section {name!r}: reference {reference!r} is none of its methods')
    goal = _goal(tree.get('goal'))
    cases = tuple(
        _case(key, value or {}, goal) for key, value in (tree.get('cases') or {'all': {}}).items()
    )
    return Section(
        name,
        tree.get('title', name),
        int(tree.get('robots', 10)),
        {**base, **flatten(tree.get('settings') or {})},
        cases,
        methods,
        tuple(int(seed) for seed in tree.get('seeds', (0,))),
        reference,
        tree.get('reach'),
    )


def _case(name: str, tree: Mapping[str, Any], goal: Goal | None) -> Case:
    own = _goal(tree.get('goal')) if 'goal' in tree else goal
    return Case(name, flatten({k: v for k, v in tree.items() if k != 'goal'}), own)


def _goal(tree: Mapping[str, Any] | None) -> Goal | None:
    return read_settings(Goal, tree) if tree else None


def _runs_of(section: Section) -> Sequence[StudyRun]:
    combinations = itertools.product(section.seeds, section.cases, section.methods.items())
    return [
        StudyRun(
            section.name,
            case.name,
            method,
            seed,
            section.robots,
            tuple(settings.get(_MODELS, ())),
            {
                **section.settings,
                **case.settings,
                **{name: value for name, value in settings.items() if name != _MODELS},
                'run.name': f'{section.name}-{method}',
                'run.robots': section.robots,
                'run.seed': seed,
                'data.seed': seed,
            },
        )
        for seed, case, (method, settings) in combinations
    ]
