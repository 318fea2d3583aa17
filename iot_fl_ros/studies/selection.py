"""A study of participant selection: runs that learn, and games that only choose.

Its file has the sections of any study, whose settings may hold `resources.*`, and beside them
`games`: sections of the same form, with settings `game.*`, `select.*` and `resources.*`, and with
policies as goals. See docs/studies.md.
"""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from iot_fl_ros.core.config import flatten, read_settings, refuse_unknown, setting
from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.core.names import robot_ids
from iot_fl_ros.core.run_files import accuracy_of, read_events, write_json
from iot_fl_ros.federation.selection.history import ResponseRecord
from iot_fl_ros.federation.selection.policies import Seconds, round_seconds
from iot_fl_ros.federation.selection.selector import ParticipantSelector
from iot_fl_ros.federation.selection.settings import SelectSettings
from iot_fl_ros.memory.resources import Resources, ResourceSettings
from iot_fl_ros.studies.runner import Progress, Task, digest_of, read_kept
from iot_fl_ros.studies.study import (
    Case,
    Section,
    Study,
    goal_names,
    mapping,
    read_section,
    read_study,
    under,
)

TARGETS = (0.7, 0.8)
# Folder of the games in that of the study.
GAMES = Path('games')
# Keys of the study's file that are not those of any study.
_GAME_KEYS = ('games', 'game_settings')
# Keys of sections that say nothing of games, and of those that do nothing in this study.
_NOT_OF_GAMES = ('robots', 'reach', 'targets', 'paper')
_NOT_OF_RUNS = ('goal', 'reach', 'targets', 'paper')
_LAST_ROUNDS = 10
Goals = Mapping[tuple[str, str], tuple[str, ...]]


@dataclass(frozen=True)
class GameSettings:
    """The work of a round, and how many rounds there are."""

    robots: int = setting(100, 'Number of robots.', minimum=1)
    rounds: int = setting(500, 'Number of rounds.', minimum=1)
    update_bytes: float = setting(1e6, 'Bytes of an update.', minimum=0.0)
    deadline: float = setting(0.0, 'Longest round, s; 0 = none.', minimum=0.0)
    told: bool = setting(False, 'Tell the policy the expected times of every round.')


def play(
    game: GameSettings, select: SelectSettings, resources: ResourceSettings, seed: int
) -> list[float]:
    """Return the duration of every round, s."""
    robots = robot_ids(game.robots)
    world = Resources(resources, robots, seed)
    selector = ParticipantSelector(select, seed, quorum=0)
    durations = []
    for round in range(1, game.rounds + 1):
        if game.told:
            selector = ParticipantSelector(select, seed, quorum=0)
            expected = {i: world.mean_seconds(i, round, game.update_bytes) for i in robots}
            selector.observe({i: ResponseRecord(round, *times) for i, times in expected.items()})
        asked = selector.ask(robots, round)
        times = {i: world.seconds(i, round, game.update_bytes) for i in asked}
        end = min(round_seconds(select.timing, times.values()), game.deadline or math.inf)
        selector.observe(_records(times, select.timing, end, round))
        durations.append(end)
    return durations


def _records(
    times: dict[str, Seconds], timing: str, end: float, round: int
) -> dict[str, ResponseRecord]:
    """Return what the aggregator sees of a round that ends after `end` s."""
    observations = {}
    free = 0.0  # when the radio channel is, if there is only one
    for robot_id, (train, upload) in sorted(times.items(), key=lambda item: item[1]):
        if train >= end:
            observations[robot_id] = ResponseRecord(round, end, math.nan, True)
            continue
        start = max(train, free) if timing == 'serial' else train
        free = start + upload
        if free <= end:
            observations[robot_id] = ResponseRecord(round, train, upload)
        else:
            observations[robot_id] = ResponseRecord(round, train, end - train, False, True)
    return observations


_PARTS = {'game.': GameSettings, 'select.': SelectSettings, 'resources.': ResourceSettings}


@dataclass(frozen=True)
class GameRun:
    """One game of a policy under some conditions."""

    section: str
    case: str
    policy: str
    seed: int
    settings: Mapping[str, Any] = field(hash=False)

    @property
    def path(self) -> Path:
        """The file of its result, relative to the study's folder."""
        return GAMES / self.section / self.case / self.policy / f'seed-{self.seed}.json'

    @property
    def parts(self) -> tuple[GameSettings, SelectSettings, ResourceSettings]:
        """The settings of the game, the choice and the robots."""
        refuse_unknown([n for n in self.settings if not n.startswith(tuple(_PARTS))], [*_PARTS])
        parts: Any = [read_settings(cls, under(p, self.settings)) for p, cls in _PARTS.items()]
        return tuple(parts)

    @property
    def digest(self) -> str:
        """Changes with anything that could change the result, defaults included, but the code."""
        return digest_of(json.dumps([asdict(part) for part in self.parts], sort_keys=True))

    def seconds(self, output: Path) -> list[float] | None:
        """Return how long the rounds took, s; None if it was not played."""
        return read_kept(output / self.path, self.digest).get('seconds')

    def error(self, output: Path) -> str:
        """Return why it failed; empty if it did not."""
        return str(read_kept(output / self.path, self.digest).get('error', ''))

    def done(self, output: Path) -> bool:
        """Return whether it has been played."""
        return self.seconds(output) is not None

    def do(self, output: Path, progress: Progress | None) -> list[float]:
        """Play it; return how long its rounds took, s."""
        return [round(value, 4) for value in play(*self.parts, self.seed)]

    def keep(self, output: Path, result: list[float] | None, error: str) -> None:
        """Write how long its rounds took, or the error."""
        path = output / self.path
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = {'error': error} if result is None else {'seconds': result}
        write_json(path, {'digest': self.digest, **kept})


def read_games(tree: Any, settings: Any) -> tuple[Section, ...]:
    """Check the games of a study; ConfigError names what is wrong."""
    base = flatten(mapping('game_settings', settings))
    games = tuple(
        read_section(name, _of_any_study(name, own), base)
        for name, own in mapping('games', tree).items()
    )
    for run in games_of(games):
        try:
            _ = run.parts
        except ConfigError as error:
            raise ConfigError(f'{run.path}: {error}') from error
    return games


def _of_any_study(name: str, tree: Any) -> dict[str, Any]:
    """Return what a section of games shares with those of any study."""
    section = mapping(f'section {name!r}', tree)
    _refuse(f'games {name!r}', section, _NOT_OF_GAMES, 'which is for runs that learn')
    cases = {key: _without_goal(case) for key, case in _cases(name, section).items()}
    return _without_goal(section) | ({'cases': cases} if cases else {})


def _refuse(what: str, tree: Mapping[str, Any], keys: Sequence[str], why: str) -> None:
    for key in keys:
        if key in tree:
            raise ConfigError(f'{what} has {key!r}, {why}')


def _cases(name: str, section: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    cases = mapping(f'cases of {name!r}', section.get('cases'))
    return {key: mapping(f'case {key!r}', value) for key, value in cases.items()}


def _without_goal(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in tree.items() if key != 'goal'}


def _read_goals(tree: Any, games: Sequence[Section]) -> Goals:
    """Return the policies whose rounds should be shorter than the reference's."""
    goals = {}
    for section in games:
        own = tree[section.name]
        by_case = _cases(section.name, own)
        for case in section.cases:
            wanted = by_case.get(case.name, {}).get('goal', own.get('goal'))
            goals[section.name, case.name] = _goal(section, case, wanted)
    return goals


def _goal(section: Section, case: Case, wanted: Any) -> tuple[str, ...]:
    if wanted is None:
        return ()
    where = f'goal of {section.name!r} / {case.name!r}'
    others = [name for name in section.methods if name != section.reference]
    return tuple(goal_names(where, wanted, others, 'policy', 'policies'))


def games_of(games: Sequence[Section]) -> list[GameRun]:
    """Return all games, one seed after the other."""
    runs = []
    for section in games:
        for case, policy, seed in itertools.product(section.cases, section.methods, section.seeds):
            settings = {**section.settings, **case.settings, **section.methods[policy]}
            runs.append(GameRun(section.name, case.name, policy, seed, settings))
    return sorted(runs, key=lambda run: run.seed)


@dataclass(frozen=True)
class SelectionStudy(Study):
    """Runs as in any study, and games. goals: policies, by section and case of the games."""

    games: tuple[Section, ...] = ()
    goals: Goals = field(default_factory=dict)

    @property
    def tasks(self) -> Sequence[Task]:
        """The runs, then the games."""
        return [*self.runs, *games_of(self.games)]


def read_selection_study(name: str, tree: Mapping[str, Any]) -> SelectionStudy:
    """Check a study; ConfigError names what is wrong."""
    games = read_games(tree.get('games'), tree.get('game_settings'))
    for key, section in mapping('sections', tree.get('sections')).items():
        own, why = mapping(f'section {key!r}', section), 'which this kind of study does not report'
        _refuse(f'section {key!r}', own, _NOT_OF_RUNS, why)
        for case, value in _cases(key, own).items():
            _refuse(f'case {case!r}', value, ('goal',), why)
    study = read_study(name, {k: v for k, v in tree.items() if k not in _GAME_KEYS})
    return SelectionStudy(**vars(study), games=games, goals=_read_goals(tree.get('games'), games))


@dataclass(frozen=True)
class Course:
    """One run that learned: when each round was over (virtual s) and what accuracy it gave.

    evenness: Jain's index of how often robots were asked, 1 = all alike, 1/robots = one alone.
    """

    times: tuple[float, ...]
    accuracy: tuple[float, ...]
    evenness: float

    @property
    def final(self) -> float:
        """Mean accuracy of the last ten rounds."""
        return float(np.nanmean(self.accuracy[-_LAST_ROUNDS:]))

    def seconds_to(self, accuracy: float) -> float:
        """Return when `accuracy` was first reached, s; NaN if it never was."""
        reached = (t for t, a in zip(self.times, self.accuracy, strict=True) if a >= accuracy)
        return next(reached, float('nan'))


def read_course(folder: Path) -> Course:
    """Return the course of the run in that folder."""
    rows = read_events(folder)
    rounds = [row for row in rows if row['kind'] == 'round']
    start = rounds[0]['time'] - rounds[0]['seconds']
    asked = Counter(i for row in rows if row['kind'] == 'open' for i in row['participants'])
    robots = next(row['robots'] for row in rows if row['kind'] == 'end')
    times = np.array(list(asked.values()), float)
    return Course(
        tuple(row['time'] - start for row in rounds),
        tuple(accuracy_of(row) for row in rounds),
        float(times.sum() ** 2 / (robots * (times**2).sum())),
    )
