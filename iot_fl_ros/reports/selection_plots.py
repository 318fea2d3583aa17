"""Plots of participant selection: accuracy over time, and how long rounds took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from iot_fl_ros.reports.figures import legend_below, panels, plt, save
from iot_fl_ros.studies.results import Estimate
from iot_fl_ros.studies.sections import Section
from iot_fl_ros.studies.selection import TARGETS, Course

_GRID = 200  # points of a curve over time
Courses = Mapping[str, Mapping[int, Course]]
Games = Mapping[str, Mapping[int, Sequence[float]]]


def plot_courses(section: Section, by_case: Mapping[str, Courses], path: Path) -> None:
    """Draw accuracy against virtual time, one panel a case."""

    def draw(axes: Any, courses: Courses, colors: Mapping[str, Any]) -> None:
        for method, by_seed in courses.items():
            runs = list(by_seed.values())
            end = min(course.times[-1] for course in runs)
            grid = np.linspace(0, end, _GRID)
            curves = [_accuracy_at(course, grid) for course in runs]
            _band(axes, grid, 100 * np.array(curves), method, colors[method])
        for target in TARGETS:
            axes.axhline(100 * target, color='grey', linewidth=0.6, linestyle=':')
        axes.set_ylim(bottom=max(0.0, axes.get_ylim()[0]))  # intervals may go below
        axes.set_xlabel('virtual seconds')
        axes.set_ylabel('accuracy, %')

    _panels(section, by_case, draw, path)


def _accuracy_at(course: Course, grid: Any) -> Any:
    """Return the accuracy of the newest round at each time; before the first one, its own."""
    places = np.searchsorted(course.times, grid, side='right') - 1
    return np.array(course.accuracy)[np.maximum(places, 0)]


def plot_games(section: Section, by_case: Mapping[str, Games], path: Path) -> None:
    """Draw the time of all rounds so far against that of the reference, one panel a case."""

    def draw(axes: Any, games: Games, colors: Mapping[str, Any]) -> None:
        reference = games.get(section.reference, {})
        shown = []
        for policy, by_seed in games.items():
            seeds = sorted(by_seed.keys() & reference.keys())
            if not seeds:
                continue
            sums = np.cumsum([by_seed[seed] for seed in seeds], axis=1)
            shares = 100 * (sums / np.cumsum([reference[seed] for seed in seeds], axis=1) - 1)
            _band(axes, np.arange(1, shares.shape[1] + 1), shares, policy, colors[policy])
            shown.append(shares[:, -1].mean())
        if shown:  # who is far off leaves the picture
            axes.set_ylim(min(-5.0, *shown) - 5, max(20.0, float(np.median(shown)) + 5))
        axes.set_xlabel('rounds')
        axes.set_ylabel(f'time until then against {section.reference}, %')

    _panels(section, by_case, draw, path)


def _panels(section: Section, by_case: Mapping[str, Any], draw: Any, path: Path) -> None:
    """Draw one panel a case, with one legend for all."""
    cases = [name for name, content in by_case.items() if content]
    figure, axes = panels(len(cases), 4.0)
    palette = plt.get_cmap('tab10')
    colors = {method: palette(n % 10) for n, method in enumerate(section.methods)}
    for place, name in zip(axes, cases, strict=True):
        draw(place, by_case[name], colors)
        place.set_title(name)
        place.grid(alpha=0.3)
    legend_below(figure, axes, 4)
    save(figure, path, dpi=100)


def _band(axes: Any, x: Any, curves: Any, label: str, color: Any) -> None:
    """Draw the mean over seeds and its 95 % interval, which two seeds leave too wide to see.

    curves: [seeds, points].
    """
    mean = np.mean(curves, axis=0)
    axes.plot(x, mean, label=label, color=color, linewidth=1.4)
    if len(curves) > 2:
        half = np.array([Estimate.of(list(values)).half for values in np.asarray(curves).T])
        axes.fill_between(x, mean - half, mean + half, color=color, alpha=0.12)
