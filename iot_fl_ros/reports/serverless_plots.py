"""Pictures of fleets without a server.

A mesh: its graph, accuracy, disagreement, bytes and joules. A Tram-FL run: the way of its tokens,
accuracy, classes and joules.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from iot_fl_ros.reports.figures import legend_under, plt, save

Rows = list[dict[str, Any]]
_KINDS = ('compute', 'transmit', 'receive')


def plot_mesh(graph: nx.Graph, runs: Mapping[str, Rows], output: Path) -> Path:
    """Draw the graph, nodes coloured by accuracy, and the curves of all runs; return the path.

    runs: merged rows by method; the colours are those of the first.
    """
    figure, panels = plt.subplots(2, 2, figsize=(10.0, 7.6), layout='constrained')
    method, rows = next(iter(runs.items()))
    _draw_graph(panels[0, 0], graph, _of_kind(rows, 'round')[-1]['accuracies'], method)
    _draw_curves(panels[0, 1], runs, 'robot_accuracy', 'mean test accuracy')
    panels[0, 1].set_ylim(0, 1)
    _draw_curves(panels[1, 0], runs, 'disagreement', 'disagreement with neighbours')
    _draw_costs(panels[1, 1], runs)
    return save(figure, output / 'mesh.png')


def _of_kind(rows: Rows, kind: str) -> Rows:
    return [row for row in rows if row['kind'] == kind]


def _draw_graph(axes: Axes, graph: nx.Graph, accuracies: Mapping[str, float], method: str) -> None:
    ids = sorted(graph)
    ring = nx.circular_layout(ids)
    places = nx.spring_layout(graph, pos=ring, seed=0, iterations=60)
    colours = [accuracies.get(robot_id, math.nan) for robot_id in ids]
    nx.draw_networkx_edges(graph, places, ax=axes, edge_color='0.6')
    nodes = nx.draw_networkx_nodes(
        graph, places, nodelist=ids, node_color=colours, node_size=900, ax=axes,
        cmap='viridis', vmin=0, vmax=1,
    )  # fmt: skip
    for robot_id, colour in zip(ids, colours, strict=True):
        text = f'{robot_id.removeprefix("robot_")}\n{colour:.0%}'
        color = 'black' if colour > 0.6 else 'white'
        axes.annotate(text, places[robot_id], ha='center', va='center', fontsize=8, color=color)
    axes.set_title(f'who hears whom; accuracy of each robot, {method}')
    axes.set_axis_off()
    axes.figure.colorbar(nodes, ax=axes, shrink=0.8)


def _draw_curves(axes: Axes, runs: Mapping[str, Rows], name: str, label: str) -> None:
    for method, rows in runs.items():
        rounds = _of_kind(rows, 'round')
        values = [row[name] for row in rounds]
        if not all(math.isnan(value) for value in values):
            axes.plot([row['round'] for row in rounds], values, marker='o', ms=4, label=method)
    axes.set(xlabel='round', ylabel=label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    if axes.lines:
        legend_under(axes, 4)


def _draw_costs(axes: Axes, runs: Mapping[str, Rows]) -> None:
    for method, rows in runs.items():
        rounds, robots = _of_kind(rows, 'round'), rows[-1]['robots']
        sizes = [row['bytes_total'] / robots for row in rounds]
        axes.plot(sizes, [row['robot_accuracy'] for row in rounds], marker='o', ms=4, label=method)
        joules = rows[-1]['joules_active'] / robots
        axes.annotate(
            f'{joules:,.0f} J', (sizes[-1], rounds[-1]['robot_accuracy']), fontsize=8,
            textcoords='offset points', xytext=(4, 4),
        )  # fmt: skip
    axes.set_title('joules of one robot, above idling', fontsize='medium')
    axes.set(xscale='log', ylim=(0, 1), ylabel='mean test accuracy')
    axes.set_xlabel('bytes sent and received by one robot')
    axes.grid(alpha=0.3, which='both')
    axes.margins(x=0.15)
    legend_under(axes, 4)


def plot_tram(runs: Mapping[str, Rows], output: Path, class_names: Sequence[str] = ()) -> Path:
    """Draw the runs, the way of the tokens of the last one; return the path of the picture.

    runs: rows of all robots by title, oldest first.
    """
    figure, panels = plt.subplots(2, 2, figsize=(11.0, 8.0), layout='constrained')
    title, rows = list(runs.items())[-1]
    _draw_route(panels[0, 0], rows, title)
    _draw_accuracy(panels[0, 1], runs)
    _draw_classes(panels[1, 0], runs, class_names)
    _draw_joules(panels[1, 1], runs)
    return save(figure, output / 'tram.png')


def _draw_route(axes: Axes, rows: Rows, title: str) -> None:
    """A line a token: when it was at which robot; dots grow with mini-batches."""
    visits = _of_kind(rows, 'visit')
    start = visits[0]['time'] if visits else 0.0
    robots = sorted({row['robot'] for row in rows})
    for token in sorted({row['token'] for row in visits}):
        own = [row for row in visits if row['token'] == token]
        times = [row['time'] - start for row in own]
        places = [robots.index(row['robot']) for row in own]
        style = '-' if token < 10 else '--'  # there are ten colours
        axes.plot(
            times, places, style, lw=0.8, alpha=0.6, label=f'token {token}', color=f'C{token}'
        )
        sizes = [6 + 3 * row['batches'] for row in own]
        axes.scatter(times, places, s=sizes, color=f'C{token}', zorder=3)
    for row in rows:
        if row['kind'] == 'merged':
            axes.plot(row['time'] - start, robots.index(row['robot']), 'kx', ms=7, zorder=4)
    axes.set_yticks(range(len(robots)), robots, fontsize=8)
    axes.set(xlabel='s', ylabel='robot', title=f'where the tokens were, {title}; x = merged')
    axes.grid(alpha=0.3)
    legend_under(axes, 6)


def _draw_accuracy(axes: Axes, runs: Mapping[str, Rows]) -> None:
    for title, rows in runs.items():
        updates, done, accuracy = [], 0, []
        for row in _of_kind(rows, 'visit'):
            done += row['batches']
            if not math.isnan(row['accuracy']):
                updates.append(done)
                accuracy.append(row['accuracy'])
        axes.plot(updates, accuracy, marker='o', ms=4, label=title)
    axes.set(ylim=(0, 1), xlabel='mini-batches of all robots', ylabel='test accuracy')
    axes.grid(alpha=0.3)
    legend_under(axes, 4)


def _draw_classes(axes: Axes, runs: Mapping[str, Rows], names: Sequence[str]) -> None:
    """Draw the share of each class in what was trained on. names: of the classes, if known."""
    width = 0.8 / len(runs)
    for number, (title, rows) in enumerate(runs.items()):
        counts = [row['class_counts'] for row in _of_kind(rows, 'visit')]
        usage = np.sum(counts, axis=0) if counts else np.zeros(1)
        places = np.arange(len(usage)) + (number - (len(runs) - 1) / 2) * width
        axes.bar(places, usage / max(1, usage.sum()), width, label=title)
        shown = names if len(names) == len(usage) else [str(n) for n in range(len(usage))]
        axes.set_xticks(range(len(usage)), shown, rotation=30 if names else 0, fontsize=8)
    axes.set(xlabel='class', ylabel='share of the samples trained on')
    axes.margins(y=0.25)  # room for the legend
    axes.legend(loc='upper right', ncols=len(runs))


def _draw_joules(axes: Axes, runs: Mapping[str, Rows]) -> None:
    """Energy of each robot above idling, by what it was spent on."""
    width = 0.8 / len(runs)
    for number, rows in enumerate(runs.values()):
        totals = sorted(_of_kind(rows, 'totals'), key=lambda row: row['robot'])
        places = np.arange(len(totals)) + (number - (len(runs) - 1) / 2) * width
        bottom = np.zeros(len(totals))
        for kind, colour in zip(_KINDS, ('C0', 'C1', 'C2'), strict=True):
            values = np.array([row['joules'][kind] for row in totals])
            label = kind if not number else None
            axes.bar(places, values, width * 0.9, bottom=bottom, color=colour, label=label)
            bottom += values
        axes.set_xticks(range(len(totals)), [r['robot'].removeprefix('robot_') for r in totals])
    side_by_side = f'; bars side by side: {", ".join(runs)}' if len(runs) > 1 else ''
    axes.set(xlabel=f'robot{side_by_side}', ylabel='J above idling')
    axes.margins(y=0.2)
    axes.legend(loc='upper right', ncols=3)
