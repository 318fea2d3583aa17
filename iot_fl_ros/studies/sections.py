"""Sections of a study: methods x cases x seeds, one table of its report each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from iot_fl_ros.core.config import flatten, read_settings, refuse_unknown, setting
from iot_fl_ros.core.errors import ConfigError

_SECTION_KEYS = (
    'title', 'robots', 'settings', 'cases', 'methods', 'seeds', 'reference', 'goal', 'reach',
    'targets', 'paper',
)  # fmt: skip
ROBOT_MODELS = 'robot_models'


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
    goal = _goal(name, tree.get('goal'))
    cases = mapping(f'cases of {name!r}', tree.get('cases')) or {'all': {}}
    return Section(
        name,
        shape.title or name,
        shape.robots,
        {**base, **flatten(mapping(f'settings of {name!r}', tree.get('settings')))},
        tuple(_case(key, value, goal) for key, value in cases.items()),
        methods,
        _seeds(name, tree.get('seeds', [0])),
        reference,
        shape.reach if 'reach' in tree else None,
        _targets(name, tree.get('targets', [])),
        {key: str(text) for key, text in mapping(f'paper of {name!r}', tree.get('paper')).items()},
    )


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
    if not isinstance(settings.get(ROBOT_MODELS, []), list):
        raise ConfigError(f'method {name!r}: {ROBOT_MODELS} must be a list of models')
    return settings


def _case(name: str, value: Any, goal: Goal | None) -> Case:
    tree = mapping(f'case {name!r}', value)
    own = _goal(name, tree['goal']) if 'goal' in tree else goal
    return Case(name, flatten({k: v for k, v in tree.items() if k != 'goal'}), own)


def _goal(name: str, value: Any) -> Goal | None:
    return read_settings(Goal, mapping(f'goal of {name!r}', value)) if value else None


def mapping(what: str, value: Any) -> Mapping[str, Any]:
    """Return a mapping that may be missing; ConfigError if it is something else."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(f'{what} is a {type(value).__name__}: a mapping is needed')
    return value
