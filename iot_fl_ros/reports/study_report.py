"""The report of a study: Markdown tables and plots, made from the files of its runs alone."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from iot_fl_ros.reports.figures import MARKERS, legend_below, panels, plt, save
from iot_fl_ros.reports.markdown import GoalResult, not_done, verdict, write_page
from iot_fl_ros.reports.markdown import table as table_lines
from iot_fl_ros.reports.tables import plus_minus
from iot_fl_ros.studies.results import Curve, Estimate, Row, curves_of, table
from iot_fl_ros.studies.study import Case, Section, Study, StudyRun


def write_report(study: Study, output: Path, report: Path) -> Path:
    """Write <report>/<name>.md, its figures as JSON and its plots; return the first."""
    curves = curves_of(study, output)
    failed = {path.parent for path in study.errors(output)}
    lines: list[str] = []
    results: dict[str, Any] = {}
    goals: list[GoalResult] = []
    for section in study.sections:
        lines += [f'## {section.title}', '']
        results[section.name] = {}
        for case in section.cases:
            rows = table(section, case, curves)
            results[section.name][case.name] = [dataclasses.asdict(row) for row in rows]
            lines += _case_lines(section, case, rows, failed)
            goals += _goals(section, case, rows, failed)
        plot = _plot(study, section, curves, report)
        lines += [f'![{section.title}]({plot.name})', ''] if plot else []
    return write_page(study, lines, results, goals, output, report)


def _goals(
    section: Section, case: Case, rows: Sequence[Row], failed: Collection[Path]
) -> list[GoalResult]:
    """Return the bar of a case for every method that has to clear it, done or not."""
    if not case.goal:
        return []
    bar = f'>= -{case.goal.points:g} points to {section.reference} at 1/{case.goal.ratio:g}'
    known = {row.method: row for row in rows}
    goals = []
    for method in case.goal.methods:
        row = known.get(method)
        if row is None:
            measured = not_done(Path(section.name) / case.name / method, failed)
        elif not row.compared:
            measured = f'no seed that {section.reference} has too'
        else:
            points = plus_minus(row.points.mean, row.points.half)
            measured = f'{points} points at {_ratio(row.ratio)}, {row.compared} seeds'
        name = f'{section.title} / {case.name} / {method}'
        goals.append(GoalResult(name, bar, measured, row.goal if row else None))
    return goals


def _case_lines(
    section: Section, case: Case, rows: Sequence[Row], failed: Collection[Path]
) -> list[str]:
    title = [] if len(section.cases) == 1 else [f'### {case.name}', '']
    head = ['method', 'best accuracy', 'at the end']
    # Where a run stops at a target, neither accuracy nor bytes a round can be compared.
    if not section.targets:
        head += [f'points to {section.reference}', 'B/robot/round', 'ratio']
    if section.reach is not None:
        head += [f'B to best - {section.reach:g} points', 'ratio']
    for target in section.targets:
        percent = f'{100 * target:g} %'
        head += [f'{what} to {percent}' for what in ('mini-batches', 'B/robot', 'J', 's')]
    if section.paper:
        head.append('the paper says')
    if case.goal:
        head.append(f'>= -{case.goal.points:g} points at 1/{case.goal.ratio:g}')
    head.append('seeds')
    known = {row.method: row for row in rows}
    cells = []
    for method in section.methods:
        if method in known:
            cells.append(_cells(section, case, known[method]))
            continue
        reason = not_done(Path(section.name) / case.name / method, failed)
        cells.append([method, reason, *[''] * (len(head) - 3), f'0 of {len(section.seeds)}'])
    return [*title, *table_lines(head, cells), '']


def _cells(section: Section, case: Case, row: Row) -> list[str]:
    is_reference = row.method == section.reference
    both = (row.accuracy, row.final)
    cells = [row.method, *(plus_minus(100 * e.mean, 100 * e.half) + ' %' for e in both)]
    if not section.targets:
        points = plus_minus(row.points.mean, row.points.half)
        few = f' ({row.compared} seeds)' if row.compared < row.seeds else ''
        cells.append('' if is_reference or not row.compared else points + few)
        cells += [_number(row.bytes_a_round), _ratio(row.ratio) if row.compared else '']
    if section.reach is not None:
        reach = [_number(row.reach_bytes), _ratio(row.reach_ratio)]
        cells += reach if row.compared else ['', '']
    for one in row.reached:
        missed = f' ({one.seeds} of {row.seeds} seeds)' if 0 < one.seeds < row.seeds else ''
        cells += [_number(one.updates) + missed]
        cells += [_number(value) for value in (one.wire_bytes, one.joules, one.seconds)]
    if section.paper:
        text = section.paper.get(row.method, '')
        cells.append(section.paper.get(f'{case.name} / {row.method}', text))
    if case.goal:
        cells.append(verdict(row.goal) if row.method in case.goal.methods else '')
    return [*cells, f'{row.seeds} of {len(section.seeds)}']


def _plot(
    study: Study, section: Section, curves: dict[StudyRun, Curve], report: Path
) -> Path | None:
    """Draw accuracy against bytes, one panel a case; bars are 95 % intervals over seeds."""
    cases = [case for case in section.cases if table(section, case, curves)]
    if not cases:
        return None
    figure, axes = panels(len(cases), 4.2)
    for place, case in zip(axes, cases, strict=True):
        _panel(place, section, case, curves)
    legend_below(figure, axes, 2 * min(2, len(cases)))
    return save(figure, report / f'{study.name}_{section.name}.png', dpi=100)


def _panel(axes: Any, section: Section, case: Case, curves: dict[StudyRun, Curve]) -> None:
    colors = plt.get_cmap('tab20')
    finals: list[float] = []
    tops: list[float] = []
    for number, method in enumerate(section.methods):
        runs = [
            curve
            for run, curve in curves.items()
            if (run.section, run.case, run.method) == (section.name, case.name, method)
        ]
        if not runs:
            continue
        rounds = min(len(curve.accuracy) for curve in runs)
        estimates = [Estimate.of([c.accuracy[i] for c in runs]) for i in range(rounds)]
        means = np.array([estimate.mean for estimate in estimates])
        halves = np.nan_to_num([estimate.half for estimate in estimates])
        sizes = np.mean([curve.wire_bytes[:rounds] for curve in runs], axis=0)
        color, marker = colors((2 * number) % 20 + number // 10), MARKERS[number % len(MARKERS)]
        # The reference and whoever is named next stand out.
        width, order = (2.5, 3) if number < 2 else (1.0, 2)
        style = {'marker': marker, 'markersize': 3, 'linewidth': width, 'zorder': order}
        axes.plot(sizes, means, color=color, label=method, **style)
        if len(runs) > 2:  # at the end alone: bands of many methods would hide each other
            bar = {'fmt': 'none', 'elinewidth': 1, 'capsize': 3, 'color': color, 'zorder': order}
            axes.errorbar(sizes[-1:], means[-1:], halves[-1:], **bar)
            tops.append(float(means[-1] + halves[-1]))
        finals.append(float(means.max()))
    if finals:  # whoever begins at chance begins below, and wide intervals may end there
        axes.set_ylim(max(0.0, min(finals) - 0.2), min(1.0, max(finals + tops) + 0.03))
    title = case.name if len(section.cases) > 1 else ''
    axes.set(xscale='log', title=title, ylabel='test accuracy')
    axes.set_xlabel('bytes sent and received by one robot')
    axes.grid(alpha=0.3, which='both')


def _ratio(value: float) -> str:
    if math.isnan(value):
        return 'never'
    return f'1/{value:.0f}' if value >= 1.5 else f'{1 / value:.2f}'


def _number(value: float) -> str:
    return 'never' if math.isnan(value) else f'{value:,.0f}'
