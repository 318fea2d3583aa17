"""The report of a loss study: tables and plots, made from its rows alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from iot_fl_ros.reports.figures import MARKERS, plt, save
from iot_fl_ros.reports.markdown import table, write_markdown
from iot_fl_ros.reports.texts import plus_minus
from iot_fl_ros.studies.loss import LossStudy
from iot_fl_ros.studies.results import Estimate

Row = Mapping[str, Any]
Curves = dict[str, dict[float, Estimate]]
# (share lost, points that may be lost against the same model without loss)
GOALS = ((0.6, 2.0), (0.7, 3.0))


def write_loss_report(study: LossStudy, output: Path, report: Path) -> Path:
    """Write <report>/<name>.md and its plots; return the first."""
    rows: dict[str, dict[int, Sequence[Row]]] = {data_set: {} for data_set in study.data_sets}
    for task in study.tasks:
        kept = task.rows(output)
        if kept is not None:
            rows[task.section][task.seed] = kept
    lines: list[str] = []
    for data_set, by_seed in rows.items():
        if not by_seed:
            continue
        curves, sizes = _curves(by_seed)
        seeds = ', '.join(map(str, sorted(by_seed)))
        lines += [f'## {data_set}', '', f'Seeds {seeds}; accuracy in %, ± half the 95 % interval.']
        lines += ['', *_table(study, curves, sizes), '', *_goals(study, data_set, curves)]
        lines += [*_waiting(by_seed), '']
        plot = _plot(study, data_set, curves, report)
        lines += [f'![Accuracy against loss, {data_set}]({plot.name})', '']
    return write_markdown(study, lines, report)


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
        cells = [_estimate(curve[rate]) if rate in curve else '' for rate in study.rates]
        lines.append([method, f'{size:,.0f}', f'{packets:.3g}', *cells])
    return table(head, lines)


def _goals(study: LossStudy, data_set: str, curves: Curves) -> list[str]:
    """Return how far each variant falls below itself without loss."""
    lines = []
    for variant in study.variants_of(data_set):
        curve = curves[variant]
        falls = [
            f'{100 * (curve[0.0].mean - curve[rate].mean):.1f} points at {rate:.0%} '
            f'(goal: {points:g})'
            for rate, points in GOALS
            if rate in curve and 0.0 in curve
        ]
        if falls:
            lines.append(f'- {variant}: below its own lossless accuracy by {", ".join(falls)}.')
    return lines


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
    axes.set_xlabel('packets lost, %')
    axes.set_ylabel('accuracy, %')
    axes.set_ylim(0, 100)
    axes.grid(alpha=0.3)
    axes.set_title(data_set)
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


def _estimate(estimate: Estimate) -> str:
    return plus_minus(100 * estimate.mean, 100 * estimate.half)
