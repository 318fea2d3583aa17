"""A study: methods x cases x seeds, each a run of a fleet in memory.

A study is a YAML file, see docs/studies.md; each section is one table of its report. Runs are
independent of each other and of the machine they happen on: what comes back are the rows of their
events.
"""

from __future__ import annotations

import itertools
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from iot_fl_ros.core.config import flatten, read_settings, refuse_unknown, setting
from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.core.run_files import RunWriter, write_json
from iot_fl_ros.memory.resources import ResourceSettings
from iot_fl_ros.studies.fleets import check_settings, resolved_settings
from iot_fl_ros.studies.runner import AnyStudy, Progress, Task, digest_of, read_kept

_SECTION_KEYS = (
    'title', 'robots', 'settings', 'cases', 'methods', 'seeds', 'reference', 'goal', 'reach',
    'targets', 'paper',
)  # fmt: skip
_ROBOT_MODELS = 'robot_models'
_RESOURCES = 'resources.'
_MARK = 'study.json'
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class _SectionSettings:
    """The plain values of a section."""

    title: str = setting('', 'Title; empty = the name of the section.')
    robots: int = setting(10, 'Number of robots.', minimum=1)
    reference: str = setting('', 'Method that the others are compared with; empty = the first.')
    reach: float = setting(0.0, 'Points below its best accuracy to count bytes to.', minimum=0.0)


@dataclass(frozen=True)
class Goal:
    """A bar for methods against the reference, in every case that names no other goal."""

    points: float = setting(2.0, 'Accuracy that may be lost, percentage points.', minimum=0.0)
    ratio: float = setting(100.0, 'Factor by which bytes must shrink.', minimum=0.0)
    methods: list[str] = setting(
        [], 'Methods that have to clear it; empty = all but the reference.'
    )


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
    reach: points below the reference's best accuracy to which bytes are counted. targets:
    accuracies to which mini-batches and joules are counted. paper: what the papers say, by
    `case / method` or by method.
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
    targets: tuple[float, ...] = ()
    paper: Mapping[str, str] = field(default_factory=dict)


def read_section(name: str, tree: Any, base: Mapping[str, Any]) -> Section:
    """Check a section; ConfigError names what is wrong. base: settings that it starts from."""
    tree = mapping(f'section {name!r}', tree)
    refuse_unknown(tree, _SECTION_KEYS)
    fields = {key: tree[key] for key in ('title', 'robots', 'reference', 'reach') if key in tree}
    shape = read_settings(_SectionSettings, fields)
    methods = {
        key: _method(key, value)
        for key, value in mapping(f'methods of {name!r}', tree.get('methods')).items()
    }
    if not methods:
        raise ConfigError(f'section {name!r} has no methods')
    reference = shape.reference or next(iter(methods))
    if reference not in methods:
        raise ConfigError(f'section {name!r}: reference {reference!r} is none of its methods')
    others = tuple(method for method in methods if method != reference)
    goal = _goal(repr(name), tree.get('goal'), others)
    cases = mapping(f'cases of {name!r}', tree.get('cases')) or {'all': {}}
    paper = mapping(f'paper of {name!r}', tree.get('paper'))
    return Section(
        name, shape.title or name, shape.robots,
        {**base, **flatten(mapping(f'settings of {name!r}', tree.get('settings')))},
        tuple(_case(name, key, value, goal, others) for key, value in cases.items()), methods,
        _seeds(name, tree.get('seeds', [0])), reference,
        shape.reach if 'reach' in tree else None, _targets(name, tree.get('targets', [])),
        {key: str(text) for key, text in paper.items()},
    )  # fmt: skip


def _targets(name: str, value: Any) -> tuple[float, ...]:
    if not isinstance(value, list) or not all(type(v) is float and 0 < v < 1 for v in value):
        raise ConfigError(f'targets of {name!r} are {value!r}: a list of accuracies below 1')
    return tuple(value)


def _seeds(name: str, value: Any) -> tuple[int, ...]:
    right = isinstance(value, list) and value and all(type(seed) is int for seed in value)
    if not right or len(set(value)) != len(value):
        raise ConfigError(f'seeds of {name!r} are {value!r}: a list of different integers')
    return tuple(value)


def _method(name: str, value: Any) -> dict[str, Any]:
    settings = flatten(mapping(f'method {name!r}', value))
    if not isinstance(settings.get(_ROBOT_MODELS, []), list):
        raise ConfigError(f'method {name!r}: {_ROBOT_MODELS} must be a list of models')
    return settings


def _case(section: str, name: str, value: Any, goal: Goal | None, others: Sequence[str]) -> Case:
    tree = mapping(f'case {name!r}', value)
    where = f'{section!r} / {name!r}'
    own = _goal(where, tree['goal'], others) if 'goal' in tree else goal
    return Case(name, flatten({k: v for k, v in tree.items() if k != 'goal'}), own)


def _goal(where: str, value: Any, others: Sequence[str]) -> Goal | None:
    if not value:
        return None
    where = f'goal of {where}'
    goal = read_settings(Goal, mapping(where, value))
    wanted = goal.methods or list(others)
    return replace(goal, methods=goal_names(where, wanted, others, 'method', 'methods'))


def goal_names(
    where: str, wanted: Any, others: Sequence[str], one: str, several: str
) -> list[str]:
    """Return the names that a goal is for; ConfigError unless they are different ones of `others`.

    others: all names but the reference's. one, several: words for them, for the error.
    """
    names = isinstance(wanted, list) and all(isinstance(name, str) for name in wanted)
    if not names or len(set(wanted)) < len(wanted):
        raise ConfigError(f'{where} is {wanted!r}: a list of different {several} is needed')
    refuse_unknown(wanted, others, f'{one} in the {where}, beside the reference,')
    return wanted


def mapping(what: str, value: Any) -> Mapping[str, Any]:
    """Return a mapping that may be missing; ConfigError if it is something else."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(f'{what} is a {type(value).__name__}: a mapping is needed')
    for name in value:
        if not isinstance(name, str):
            raise ConfigError(f'{what} has the name {name!r}, which is no text: quote it')
    return value


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

    def error(self, output: Path) -> str:
        """Return why it failed; empty if it did not."""
        return str(self.mark(output).get('error', ''))

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
        writer.close()
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
        runs = [
            _run_of(section, case, method, seed)
            for section in self.sections
            for seed, case, method in itertools.product(
                section.seeds, section.cases, section.methods
            )
        ]
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


def _run_of(section: Section, case: Case, method: str, seed: int) -> StudyRun:
    settings = {
        **section.settings, **case.settings, **section.methods[method],
        'run.name': f'{section.name}-{method}', 'run.robots': section.robots, 'run.seed': seed,
        'data.seed': seed,
    }  # fmt: skip
    models = tuple(settings.pop(_ROBOT_MODELS, ()))
    resources = under(_RESOURCES, settings)
    settings = {k: v for k, v in settings.items() if not k.startswith(_RESOURCES)}
    return StudyRun(
        section.name, case.name, method, seed, section.robots, models, settings, resources
    )


def under(prefix: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings whose names begin with `prefix`, without it."""
    return {k.removeprefix(prefix): v for k, v in settings.items() if k.startswith(prefix)}
