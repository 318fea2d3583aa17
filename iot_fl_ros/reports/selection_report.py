"""The report of a study of participant selection: tables and plots, from its files alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from iot_fl_ros.reports.markdown import failures, table, write_markdown
from iot_fl_ros.reports.selection_plots import Courses, Games, plot_courses, plot_games
from iot_fl_ros.reports.texts import plus_minus
from iot_fl_ros.studies.results import Estimate, errors_of
from iot_fl_ros.studies.sections import Case, Section
from iot_fl_ros.studies.selection import (
    TARGETS,
    Course,
    SelectionStudy,
    games_of,
    read_course,
)
from iot_fl_ros.studies.study import Study


def write_selection_report(study: SelectionStudy, output: Path, report: Path) -> Path:
    """Write <report>/<name>.md and its plots; return the first."""
    lines: list[str] = []
    for section in study.sections:
        courses = {case.name: _courses(study, section, case, output) for case in section.cases}
        path = report / f'{study.name}_{section.name}.png'
        lines += _lines(section, courses, _course_table, plot_courses, path)
    for section in study.games:
        games = {case.name: _games(section, case, output) for case in section.cases}
        path = report / f'{study.name}_{section.name}.png'
        lines += _lines(section, games, _game_table, plot_games, path)
    return write_markdown(study, [*lines, *failures(errors_of(study, output))], report)


def _lines(
    section: Section,
    by_case: Mapping[str, Any],
    table_of: Callable[[Section, Any], list[str]],
    plot: Callable[[Section, Any, Path], None],
    path: Path,
) -> list[str]:
    """Return a table a case and the plot of all, which is written to `path`."""
    lines = [f'## {section.title}', '']
    for name, content in by_case.items():
        lines += [f'### {name}', '', *table_of(section, content), '']
    if any(by_case.values()):
        plot(section, by_case, path)
        lines += [f'![{section.title}]({path.name})', '']
    return lines


def _courses(study: Study, section: Section, case: Case, output: Path) -> Courses:
    courses: dict[str, dict[int, Course]] = {}
    for run in study.runs:
        here = (run.section, run.case) == (section.name, case.name)
        if here and run.done(output):
            courses.setdefault(run.method, {})[run.seed] = read_course(output / run.path)
    return {method: courses[method] for method in section.methods if method in courses}


def _course_table(section: Section, courses: Courses) -> list[str]:
    head = ['policy', *(f's to {target:.0%}' for target in TARGETS), 's a round']
    head += [f's to {TARGETS[-1]:.0%} against {section.reference}']
    head += ['accuracy at the end', 'evenness', 'seeds']
    rows = []
    reference = courses.get(section.reference, {})
    for method, by_seed in courses.items():
        runs = list(by_seed.values())
        cells = [method, *(_reached([c.seconds_to(target) for c in runs]) for target in TARGETS)]
        cells.append(_estimate([c.times[-1] / len(c.times) for c in runs], 1))
        cells.append('' if method == section.reference else _against(by_seed, reference))
        cells.append(_estimate([100 * c.final for c in runs], 1) + ' %')
        cells.append(_estimate([c.evenness for c in runs], 2))
        rows.append([*cells, str(len(runs))])
    return table(head, rows)


def _reached(seconds: Sequence[float]) -> str:
    """Return the mean of the seeds that got there, and how many did if not all."""
    there = [value for value in seconds if not math.isnan(value)]
    if not there:
        return 'never'
    text = _estimate(there, 0)
    return text if len(there) == len(seconds) else f'{text} ({len(there)} of {len(seconds)})'


def _against(own: Mapping[int, Course], reference: Mapping[int, Course]) -> str:
    """Return by how many percent the time differs, seed by seed; of those where both got there."""
    shares = [
        100 * (own[seed].seconds_to(TARGETS[-1]) / reference[seed].seconds_to(TARGETS[-1]) - 1)
        for seed in sorted(own.keys() & reference.keys())
    ]
    shares = [share for share in shares if not math.isnan(share)]
    return _percent(Estimate.of(shares)) if shares else ''


def _games(section: Section, case: Case, output: Path) -> Games:
    games: dict[str, dict[int, Sequence[float]]] = {}
    for run in games_of([section]):
        seconds = run.seconds(output) if run.case == case.name else None
        if seconds is not None:
            games.setdefault(run.policy, {})[run.seed] = seconds
    return {policy: games[policy] for policy in section.methods if policy in games}


def _game_table(section: Section, games: Games) -> list[str]:
    head = ['policy', 's a round', 'last quarter', f'all rounds against {section.reference}']
    head += ['last quarter', 'seeds']
    rows = []
    reference = games.get(section.reference, {})
    for policy, by_seed in games.items():
        cells = [policy]
        for part in (1, 4):
            cells.append(_estimate([_mean_of_last(s, part) for s in by_seed.values()], 2))
        for part in (1, 4):
            shares = [
                100 * (_mean_of_last(by_seed[s], part) / _mean_of_last(reference[s], part) - 1)
                for s in sorted(by_seed.keys() & reference.keys())
            ]
            own = policy == section.reference or not shares
            cells.append('' if own else _percent(Estimate.of(shares)))
        rows.append([*cells, str(len(by_seed))])
    return table(head, rows)


def _mean_of_last(seconds: Sequence[float], part: int) -> float:
    return float(np.mean(seconds[-(len(seconds) // part) :]))


def _estimate(values: Sequence[float], digits: int) -> str:
    estimate = Estimate.of(values)
    return plus_minus(estimate.mean, estimate.half, digits)


def _percent(estimate: Estimate) -> str:
    """Return a difference in percent, bold if its 95 % interval does not hold 0."""
    if math.isnan(estimate.half):
        return f'{estimate.mean:+.1f} %'
    text = f'{estimate.mean:+.1f} ± {estimate.half:.1f} %'
    return f'**{text}**' if abs(estimate.mean) > estimate.half else text
