"""The report of a study of participant selection: tables and plots, from its files alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from iot_fl_ros.reports.figures import legend_below, panels, plt, save
from iot_fl_ros.reports.markdown import GoalResult, not_done, table, write_page
from iot_fl_ros.reports.tables import plus_minus
from iot_fl_ros.studies.results import Estimate, at_least
from iot_fl_ros.studies.selection import (
    GAMES,
    TARGETS,
    Course,
    SelectionStudy,
    games_of,
    read_course,
)
from iot_fl_ros.studies.study import Case, Section, Study

_GRID = 200  # points of a curve over time
_SHORTER = 1e-9  # per cent: what is equal is not shorter
_FAR = 60.0  # per cent above the reference
_TICKS = (-100, -50, -20, -10, 0, 10, 20, 50, 100, 200, 500, 1_000)
Courses = Mapping[str, Mapping[int, Course]]
Games = Mapping[str, Mapping[int, Sequence[float]]]


def write_selection_report(study: SelectionStudy, output: Path, report: Path) -> Path:
    """Write <report>/<name>.md, its figures as JSON and its plots; return the first."""
    lines: list[str] = []
    results: dict[str, Any] = {}
    failed = {path.parent for path in study.errors(output)}
    for section in study.sections:
        courses = {case.name: _courses(study, section, case, output) for case in section.cases}
        path = report / f'{study.name}_{section.name}.png'
        absent = partial(_absent, failed, Path(section.name))
        lines += _lines(section, courses, absent, _course_table, plot_courses, path)
        results[section.name] = _figures(courses, _course_figures)
    for section in study.games:
        games = {case.name: _games(section, case, output) for case in section.cases}
        path = report / f'{study.name}_{section.name}.png'
        absent = partial(_absent, failed, GAMES / section.name)
        lines += _lines(section, games, absent, _game_table, plot_games, path)
        results[section.name] = _figures(games, _game_figures)
    return write_page(study, lines, results, _goals(study, output, failed), output, report)


def _absent(failed: Collection[Path], folder: Path, case: str, policy: str) -> str:
    """Return why a policy has no results in a case."""
    return not_done(folder / case / policy, failed)


def _figures(by_case: Mapping[str, Any], figures: Callable[[Any], Any]) -> dict[str, Any]:
    """Return the figures of every case, policy and seed."""
    return {
        case: {
            policy: {str(seed): figures(one) for seed, one in by_seed.items()}
            for policy, by_seed in content.items()
        }
        for case, content in by_case.items()
    }


def _course_figures(course: Course) -> dict[str, Any]:
    reached = {f'seconds to {target:.0%}': course.seconds_to(target) for target in TARGETS}
    a_round = course.times[-1] / len(course.times)
    return {'seconds a round': a_round, **reached, 'final': course.final,
            'evenness': course.evenness}  # fmt: skip


def _game_figures(seconds: Sequence[float]) -> dict[str, float]:
    parts = {'seconds a round': 1, 'seconds a round, last quarter': 4}
    return {name: _mean_of_last(seconds, part) for name, part in parts.items()}


def _goals(study: SelectionStudy, output: Path, failed: Collection[Path]) -> list[GoalResult]:
    """Return whether rounds of games take less time than those of each section's reference."""
    goals = []
    for section in study.games:
        for case in section.cases:
            games = _games(section, case, output)
            reference = games.get(section.reference, {})
            for policy in study.goals.get((section.name, case.name), ()):
                by_seed = games.get(policy, {})
                both = len(by_seed.keys() & reference.keys())
                change = _change(by_seed, reference, 1)
                met = at_least(Estimate(-change.mean, change.half), _SHORTER)
                measured = f'{_percent(change).strip("*")}, {both} of {len(section.seeds)} seeds'
                if not by_seed:
                    measured = not_done(GAMES / section.name / case.name / policy, failed)
                elif not both:
                    measured = f'no seed that {section.reference} has too'
                name = f'{section.title} / {case.name} / {policy}'
                goal = f'rounds shorter than those of {section.reference}'
                goals.append(GoalResult(name, goal, measured, met))
    return goals


def _change(
    own: Mapping[int, Sequence[float]], reference: Mapping[int, Sequence[float]], part: int
) -> Estimate:
    """Return by how many percent rounds are longer than the reference's, seed by seed."""
    return Estimate.of([
        100 * (_mean_of_last(own[s], part) / _mean_of_last(reference[s], part) - 1)
        for s in sorted(own.keys() & reference.keys())
    ])  # fmt: skip


def _lines(
    section: Section,
    by_case: Mapping[str, Any],
    absent: Callable[[str, str], str],
    table_of: Callable[[Section, Any, Callable[[str], str]], list[str]],
    plot: Callable[[Section, Any, Path], None],
    path: Path,
) -> list[str]:
    """Return a table a case and the plot of all, which is written to `path`.

    absent: tells of a case and a policy why there are no results.
    """
    lines = [f'## {section.title}', '']
    for name, content in by_case.items():
        lines += [f'### {name}', '', *table_of(section, content, partial(absent, name)), '']
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


def _course_table(section: Section, courses: Courses, absent: Callable[[str], str]) -> list[str]:
    head = ['policy', *(f's to {target:.0%}' for target in TARGETS), 's a round']
    head += [f's to {TARGETS[-1]:.0%} against {section.reference}']
    head += ['accuracy at the end', 'evenness', 'seeds']
    rows = []
    reference = courses.get(section.reference, {})
    for method in section.methods:
        by_seed = courses.get(method, {})
        runs = list(by_seed.values())
        if not runs:
            rows.append(_without(method, absent(method), head, section))
            continue
        cells = [method, *(_reached([c.seconds_to(target) for c in runs]) for target in TARGETS)]
        cells.append(_estimate([c.times[-1] / len(c.times) for c in runs], 1))
        cells.append('' if method == section.reference else _against(by_seed, reference))
        cells.append(_estimate([100 * c.final for c in runs], 1) + ' %')
        cells.append(_estimate([c.evenness for c in runs], 2))
        rows.append([*cells, f'{len(runs)} of {len(section.seeds)}'])
    return table(head, rows)


def _without(method: str, reason: str, head: Sequence[str], section: Section) -> list[str]:
    return [method, reason, *[''] * (len(head) - 3), f'0 of {len(section.seeds)}']


def _reached(seconds: Sequence[float]) -> str:
    """Return the mean of the seeds that got there, and how many did if not all."""
    there = [value for value in seconds if not math.isnan(value)]
    if not there:
        return 'never'
    return _estimate(there, 0) + _few(len(there), len(seconds))


def _against(own: Mapping[int, Course], reference: Mapping[int, Course]) -> str:
    """Return by how many percent the time differs, seed by seed; of those where both got there."""
    shares = [
        100 * (own[seed].seconds_to(TARGETS[-1]) / reference[seed].seconds_to(TARGETS[-1]) - 1)
        for seed in sorted(own.keys() & reference.keys())
    ]
    shares = [share for share in shares if not math.isnan(share)]
    return _percent(Estimate.of(shares)) + _few(len(shares), len(own)) if shares else ''


def _few(compared: int, seeds: int) -> str:
    """Return how many of a policy's seeds are compared, if not all are."""
    return f' ({compared} of {seeds})' if compared < seeds else ''


def _games(section: Section, case: Case, output: Path) -> Games:
    games: dict[str, dict[int, Sequence[float]]] = {}
    for run in games_of([section]):
        seconds = run.seconds(output) if run.case == case.name else None
        if seconds is not None:
            games.setdefault(run.policy, {})[run.seed] = seconds
    return {policy: games[policy] for policy in section.methods if policy in games}


def _game_table(section: Section, games: Games, absent: Callable[[str], str]) -> list[str]:
    head = ['policy', 's a round', 'last quarter', f'all rounds against {section.reference}']
    head += ['last quarter', 'seeds']
    rows = []
    reference = games.get(section.reference, {})
    for policy in section.methods:
        by_seed = games.get(policy, {})
        if not by_seed:
            rows.append(_without(policy, absent(policy), head, section))
            continue
        cells = [policy]
        for part in (1, 4):
            cells.append(_estimate([_mean_of_last(s, part) for s in by_seed.values()], 2))
        for part in (1, 4):
            both = len(by_seed.keys() & reference.keys())
            change = _percent(_change(by_seed, reference, part)) + _few(both, len(by_seed))
            cells.append('' if policy == section.reference or not both else change)
        rows.append([*cells, f'{len(by_seed)} of {len(section.seeds)}'])
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


def plot_courses(section: Section, by_case: Mapping[str, Courses], path: Path) -> None:
    """Draw accuracy against virtual time, one panel a case."""

    def draw(axes: Any, courses: Courses, styles: Mapping[str, Any]) -> None:
        for method, by_seed in courses.items():
            runs = list(by_seed.values())
            end = min(course.times[-1] for course in runs)
            grid = np.linspace(0, end, _GRID)
            curves = [_accuracy_at(course, grid) for course in runs]
            _band(axes, grid, 100 * np.array(curves), method, styles[method])
        for target in TARGETS:
            axes.axhline(100 * target, color='grey', linewidth=0.6, linestyle=':')
        axes.set_ylim(bottom=max(0.0, axes.get_ylim()[0]))  # intervals may go below
        axes.set(xlabel='virtual seconds', ylabel='accuracy, %')

    _panels(section, by_case, draw, path)


def _accuracy_at(course: Course, grid: Any) -> Any:
    """Return the accuracy of the newest round at each time; before the first one, its own."""
    places = np.searchsorted(course.times, grid, side='right') - 1
    return np.array(course.accuracy)[np.maximum(places, 0)]


def plot_games(section: Section, by_case: Mapping[str, Games], path: Path) -> None:
    """Draw the time of all rounds so far against that of the reference, one panel a case."""

    def draw(axes: Any, games: Games, styles: Mapping[str, Any]) -> None:
        reference = games.get(section.reference, {})
        shown = []
        for policy, by_seed in games.items():
            seeds = sorted(by_seed.keys() & reference.keys())
            if not seeds:
                continue
            sums = np.cumsum([by_seed[seed] for seed in seeds], axis=1)
            shares = 100 * (sums / np.cumsum([reference[seed] for seed in seeds], axis=1) - 1)
            name = f'{policy} (reference)' if policy == section.reference else policy
            _band(axes, np.arange(1, shares.shape[1] + 1), shares, name, styles[policy])
            shown.append(shares[:, -1].mean())
        if shown:
            axes.set_ylim(min(-5.0, *shown) - 5, max(20.0, *shown) + 5)
            if max(shown) > _FAR:  # the others are to be told apart all the same
                axes.set_yscale('symlog', linthresh=_FAR / 2)
                low, high = axes.get_ylim()
                ticks = [tick for tick in _TICKS if low <= tick <= high]
                axes.set_yticks(ticks, [str(tick) for tick in ticks])
        axes.set(xlabel='rounds', ylabel='time until then, % above reference')

    _panels(section, by_case, draw, path)


def _panels(section: Section, by_case: Mapping[str, Any], draw: Any, path: Path) -> None:
    """Draw one panel a case, with one legend for all."""
    cases = [name for name, content in by_case.items() if content]
    figure, axes = panels(len(cases), 4.0)
    palette = plt.get_cmap('tab10')
    styles = {
        method: {'color': palette(n % 10), 'linestyle': '--' if n >= 10 else '-'}
        for n, method in enumerate(section.methods)
    }
    for place, name in zip(axes, cases, strict=True):
        draw(place, by_case[name], styles)
        place.set_title(name)
        place.grid(alpha=0.3)
    legend_below(figure, axes, 4)
    save(figure, path, dpi=100)


def _band(axes: Any, x: Any, curves: Any, label: str, style: Mapping[str, Any]) -> None:
    """Draw the mean over seeds and its 95 % interval, which two seeds leave too wide to see.

    curves: [seeds, points].
    """
    mean = np.mean(curves, axis=0)
    axes.plot(x, mean, label=label, linewidth=1.4, **style)
    if len(curves) > 2:
        half = np.array([Estimate.of(list(values)).half for values in np.asarray(curves).T])
        axes.fill_between(x, mean - half, mean + half, color=style['color'], alpha=0.12)
