"""The picture of a Tram-FL run: the way of its tokens, accuracy, classes, and joules."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from iot_fl_ros.reports.figures import plt, save

Rows = list[dict[str, Any]]
_KINDS = ('compute', 'transmit', 'receive')


def plot_tram(runs: Mapping[str, Rows], output: Path) -> Path:
    """Draw the runs, the way of the tokens of the last one; return the path of the picture.

    runs: rows of all robots by title, oldest first.
    """
    figure, panels = plt.subplots(2, 2, figsize=(11.0, 8.0), layout='constrained')
    title, rows = list(runs.items())[-1]
    _draw_route(panels[0, 0], rows, title)
    _draw_accuracy(panels[0, 1], runs)
    _draw_classes(panels[1, 0], runs)
    _draw_joules(panels[1, 1], runs)
    return save(figure, output / 'tram.png')


def _visits(rows: Rows) -> Rows:
    return [row for row in rows if row['kind'] == 'visit']


def _draw_route(axes: Axes, rows: Rows, title: str) -> None:
    """A line a token: when it was at which robot; dots grow with mini-batches."""
    visits = _visits(rows)
    start = visits[0]['time'] if visits else 0.0
    robots = sorted({row['robot'] for row in rows})
    for token in sorted({row['token'] for row in visits}):
        own = [row for row in visits if row['token'] == token]
        times = [row['time'] - start for row in own]
        places = [robots.index(row['robot']) for row in own]
        axes.plot(times, places, lw=0.8, alpha=0.6, label=f'token {token}', color=f'C{token}')
        sizes = [6 + 3 * row['batches'] for row in own]
        axes.scatter(times, places, s=sizes, color=f'C{token}', zorder=3)
    for row in rows:
        if row['kind'] == 'merged':
            axes.plot(row['time'] - start, robots.index(row['robot']), 'kx', ms=7, zorder=4)
    axes.set_yticks(range(len(robots)), robots, fontsize=8)
    axes.set_xlabel('s')
    axes.set_title(f'where the tokens were, {title}; x = merged')
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def _draw_accuracy(axes: Axes, runs: Mapping[str, Rows]) -> None:
    for title, rows in runs.items():
        updates, done, accuracy = [], 0, []
        for row in _visits(rows):
            done += row['batches']
            if not math.isnan(row['accuracy']):
                updates.append(done)
                accuracy.append(row['accuracy'])
        axes.plot(updates, accuracy, marker='o', ms=4, label=title)
    axes.set_ylim(0, 1)
    axes.set_xlabel('mini-batches of all robots')
    axes.set_ylabel('test accuracy')
    axes.grid(alpha=0.3)
    axes.legend()


def _draw_classes(axes: Axes, runs: Mapping[str, Rows]) -> None:
    """Draw the share of each class in what was trained on."""
    width = 0.8 / len(runs)
    for number, (title, rows) in enumerate(runs.items()):
        counts = [row['class_counts'] for row in _visits(rows)]
        usage = np.sum(counts, axis=0) if counts else np.zeros(1)
        places = np.arange(len(usage)) + (number - (len(runs) - 1) / 2) * width
        axes.bar(places, usage / max(1, usage.sum()), width, label=title)
        axes.set_xticks(range(len(usage)))
    axes.set_xlabel('class')
    axes.set_ylabel('share of the samples trained on')
    axes.legend()


def _draw_joules(axes: Axes, runs: Mapping[str, Rows]) -> None:
    """Energy of each robot above idling, by what it was spent on."""
    width = 0.8 / len(runs)
    for number, rows in enumerate(runs.values()):
        totals = sorted((r for r in rows if r['kind'] == 'totals'), key=lambda row: row['robot'])
        places = np.arange(len(totals)) + (number - (len(runs) - 1) / 2) * width
        bottom = np.zeros(len(totals))
        for kind, colour in zip(_KINDS, ('C0', 'C1', 'C2'), strict=True):
            values = np.array([row['joules'][kind] for row in totals])
            label = kind if not number else None
            axes.bar(places, values, width * 0.9, bottom=bottom, color=colour, label=label)
            bottom += values
        axes.set_xticks(range(len(totals)), [r['robot'].removeprefix('robot_') for r in totals])
    side_by_side = f'; bars side by side: {", ".join(runs)}' if len(runs) > 1 else ''
    axes.set_xlabel(f'robot{side_by_side}')
    axes.set_ylabel('J above idling')
    axes.legend()
