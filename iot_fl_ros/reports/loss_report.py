"""Split models on lossy links: the report of a loss study, from its rows, and of one bundle."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from iot_fl_ros.core.run_files import write_json
from iot_fl_ros.core.run_folder import make_folder
from iot_fl_ros.reports.figures import MARKERS, plt, save
from iot_fl_ros.reports.markdown import GoalResult, not_done, table, verdict, write_page
from iot_fl_ros.reports.tables import percent, plus_minus, table_of
from iot_fl_ros.studies.loss import LossStudy
from iot_fl_ros.studies.results import Estimate, at_least

Row = Mapping[str, Any]
Curves = dict[str, dict[float, Estimate]]
Shares = Mapping[str, Mapping[float, float]]
# (share lost, points that may be lost against the same model without loss)
GOALS = ((0.6, 2.0), (0.7, 3.0))


def write_loss_report(study: LossStudy, output: Path, report: Path) -> Path:
    """Write <report>/<name>.md, its figures as JSON and its plots; return the first."""
    rows: dict[str, dict[int, Sequence[Row]]] = {data_set: {} for data_set in study.data_sets}
    for task in study.tasks:
        kept = task.rows(output)
        if kept is not None:
            rows[task.section][task.seed] = kept
    failed = {path.parent for path in study.errors(output)}
    lines: list[str] = []
    results: dict[str, Any] = {}
    goals: list[GoalResult] = []
    for data_set, by_seed in rows.items():
        lines += [f'## {data_set}', '']
        reason = not_done(Path(data_set), failed)
        own_goals = _goals(study, data_set, by_seed, reason)
        goals += own_goals
        if not by_seed:
            lines += [f'{reason.capitalize()}.', '']
            continue
        curves, sizes = _curves(by_seed)
        results[data_set] = {
            method: {f'{rate:g}': asdict(one) for rate, one in curve.items()}
            for method, curve in curves.items()
        }
        seeds = ', '.join(map(str, sorted(by_seed)))
        lines += [f'Seeds {seeds} of {len(study.seeds)}; accuracy in %, ± half the 95 % interval.']
        lines += ['', *_table(study, curves, sizes), '', *map(_goal_line, own_goals)]
        lines += [*_waiting(by_seed), '']
        plot = _plot(study, data_set, curves, report)
        lines += [f'![Accuracy against loss, {data_set}]({plot.name})', '']
    return write_page(study, lines, results, goals, output, report)


def _goals(
    study: LossStudy, data_set: str, by_seed: Mapping[int, Sequence[Row]], reason: str
) -> list[GoalResult]:
    """Return how far each variant falls below itself without loss, seed by seed.

    reason: why there is nothing, if there is nothing.
    """
    accuracy = {
        (seed, row['method'], row['rate']): row['accuracy']
        for seed, rows in by_seed.items()
        for row in rows
    }
    goals = []
    for variant in study.variants_of(data_set):
        for rate, points in GOALS:
            if not {0.0, rate} <= set(study.rates):
                continue
            falls = [
                100 * (accuracy[seed, variant, 0.0] - accuracy[seed, variant, rate])
                for seed in by_seed
                if {(seed, variant, 0.0), (seed, variant, rate)} <= accuracy.keys()
            ]
            fall = Estimate.of(falls)
            met = at_least(Estimate(-fall.mean, fall.half), -points)
            measured = f'{plus_minus(fall.mean, fall.half)} points, {len(falls)} seeds'
            measured = measured if falls else reason
            goal = f'at most {points:g} points below its own lossless accuracy'
            name = f'{data_set} / {variant} / {rate:.0%} lost'
            goals.append(GoalResult(name, goal, measured, met))
    return goals


def _curves(by_seed: Mapping[int, Sequence[Row]]) -> tuple[Curves, dict[str, tuple[float, float]]]:
    """Return (accuracy by method and rate, bytes and packets by method)."""
    values: dict[tuple[str, float], list[float]] = defaultdict(list)
    sizes: dict[str, tuple[float, float]] = {}
    for rows in by_seed.values():
        for row in rows:
            values[row['method'], row['rate']].append(row['accuracy'])
            sizes[row['method']] = (row['bytes'], row['packets'])
    curves: Curves = defaultdict(dict)
    for (method, rate), accuracies in values.items():
        curves[method][rate] = Estimate.of(accuracies)
    return dict(curves), sizes


def _table(
    study: LossStudy, curves: Curves, sizes: Mapping[str, tuple[float, float]]
) -> list[str]:
    head = ['method', 'B/frame', 'packets', *(f'{rate:.0%}' for rate in study.rates)]
    lines = []
    for method, curve in curves.items():
        size, packets = sizes[method]
        cells = [_cell(curve.get(rate)) for rate in study.rates]
        lines.append([method, f'{size:,.0f}', f'{packets:.3g}', *cells])
    return table(head, lines)


def _cell(estimate: Estimate | None) -> str:
    return plus_minus(100 * estimate.mean, 100 * estimate.half) if estimate else ''


def _goal_line(goal: GoalResult) -> str:
    return f'- {goal.name}: {goal.measured}. Goal: {goal.goal}: {verdict(goal.met)}.'


def _waiting(by_seed: Mapping[int, Sequence[Row]]) -> list[str]:
    """Return the mean time of a JPEG that is sent until it arrives."""
    times: dict[float, list[float]] = defaultdict(list)
    for rows in by_seed.values():
        for row in rows:
            if 'seconds' in row:
                times[row['rate']].append(row['seconds'])
    means = [f'{1e3 * np.mean(values):.0f} at {rate:.0%}' for rate, values in times.items()]
    return [f'- JPEG, RELIABLE: ms until the picture is there, on average: {", ".join(means)}.']


def _plot(study: LossStudy, data_set: str, curves: Curves, report: Path) -> Path:
    figure, axes = plt.subplots(figsize=(8.0, 4.6), layout='constrained')
    colors = plt.get_cmap('tab10')
    groups = _groups(study, curves)
    for number, (method, curve) in enumerate(curves.items()):
        rates = [rate for rate in study.rates if rate in curve]
        means = np.array([100 * curve[rate].mean for rate in rates])
        halves = np.nan_to_num([100 * curve[rate].half for rate in rates])
        color, style = groups[method]
        x = [100 * rate for rate in rates]
        axes.plot(x, means, style, color=colors(color), marker=MARKERS[number % 12],
                  markersize=4, label=method, linewidth=2 if style == '-' else 1)  # fmt: skip
        axes.fill_between(x, means - halves, means + halves, color=colors(color), alpha=0.1)
    _describe(axes, data_set)
    figure.legend(loc='outside right upper', fontsize='small')
    return save(figure, report / f'{study.name}_{data_set}.png', dpi=110)


def _groups(study: LossStudy, curves: Curves) -> dict[str, tuple[int, str]]:
    """Return color and line style: one color for each model, a style for each condition."""
    bases: list[str] = []
    styles: dict[str, tuple[int, str]] = {}
    for method in curves:
        variants = [v for v in study.variants if method.startswith(v)]
        longest = max(variants, key=len, default=method)
        base = 'JPEG' if method.startswith('JPEG') else longest
        if base not in bases:
            bases.append(base)
        condition = method.removeprefix(base)
        style = {'': '-', ', bursts': '--', ', sequential': '-.'}.get(condition, ':')
        styles[method] = (bases.index(base), style if base != 'JPEG' else '--')
    return styles


def report_losses(
    curves: Shares, frame_bytes: Mapping[str, int], data: str, output: Path, console: Console
) -> None:
    """Print the accuracy of each model at each loss; write loss.json and loss.png."""
    rates = list(next(iter(curves.values())))
    rows = [
        [name, *(f'{100 * accuracy:.1f}' for accuracy in curve.values()), f'{frame_bytes[name]:,}']
        for name, curve in curves.items()
    ]
    columns = ['model', *(f'{rate:.0%}' for rate in rates), 'B a frame']
    console.print(table_of(f'Accuracy against packet loss, {data}', columns, rows))
    make_folder(output)
    plot = draw_accuracy_against_loss(curves, output / 'loss.png', data)
    write_json(output / 'loss.json', curves)
    console.print(f'wrote {output / "loss.json"} and {plot}')


def over_dds_table(title: str, results: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Table:
    """Return the table of bundles over DDS: what was measured, by bundle and loss."""
    columns = ['bundle', 'lost', 'packets in', 'answered', 'accuracy', 'latency p50', 'p99']
    rows = [
        [
            name, f'{float(loss):.0%}', percent(row['packets_received']), percent(row['answered']),
            percent(row['accuracy']), f'{1e3 * row["latency_p50"]:.1f} ms',
            f'{1e3 * row["latency_p99"]:.1f} ms',
        ]
        for name, by_loss in results.items()
        for loss, row in by_loss.items()
    ]  # fmt: skip
    return table_of(title, columns, rows)


def draw_accuracy_against_loss(curves: Shares, path: Path, title: str) -> Path:
    """Write a PNG: one line per name, share of packets lost -> accuracy, both 0..1."""
    figure, axes = plt.subplots(figsize=(6.4, 4.0), layout='constrained')
    for number, (name, curve) in enumerate(curves.items()):
        rates = sorted(curve)
        axes.plot(
            [100 * rate for rate in rates], [100 * curve[rate] for rate in rates],
            marker=MARKERS[number % len(MARKERS)], markersize=5, label=name,
        )  # fmt: skip
    _describe(axes, title)
    axes.legend(loc='lower left')
    return save(figure, path)


def _describe(axes: Any, title: str) -> None:
    axes.set(xlabel='packets lost, %', ylabel='accuracy, %', ylim=(0, 100), title=title)
    axes.grid(alpha=0.3)
