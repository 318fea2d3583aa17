"""The picture of a mesh: its graph, accuracy, disagreement, bytes and joules."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import networkx as nx
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from iot_fl_ros.reports.figures import plt, save

Rows = list[dict[str, Any]]
_COLOURS = 'viridis'


def plot_mesh(graph: nx.Graph, runs: Mapping[str, Rows], output: Path) -> Path:
    """Draw the graph, nodes coloured by accuracy, and the curves of all runs; return the path.

    runs: merged rows by method; the colours are those of the first.
    """
    figure, panels = plt.subplots(2, 2, figsize=(10.0, 7.6), layout='constrained')
    method, rows = next(iter(runs.items()))
    _draw_graph(panels[0, 0], graph, _rounds(rows)[-1]['accuracies'], method)
    _draw_curves(panels[0, 1], runs, 'robot_accuracy', 'mean test accuracy')
    panels[0, 1].set_ylim(0, 1)
    _draw_curves(panels[1, 0], runs, 'disagreement', 'disagreement with neighbours')
    _draw_costs(panels[1, 1], runs)
    return save(figure, output / 'mesh.png')


def _rounds(rows: Rows) -> Rows:
    return [row for row in rows if row['kind'] == 'round']


def _draw_graph(axes: Axes, graph: nx.Graph, accuracies: Mapping[str, float], method: str) -> None:
    ids = sorted(graph)
    ring = nx.circular_layout(ids)
    places = nx.spring_layout(graph, pos=ring, seed=0, iterations=60)
    colours = [accuracies.get(robot_id, math.nan) for robot_id in ids]
    nx.draw_networkx_edges(graph, places, ax=axes, edge_color='0.6')
    nodes = nx.draw_networkx_nodes(
        graph, places, nodelist=ids, node_color=colours, node_size=900, ax=axes,
        cmap=plt.get_cmap(_COLOURS), vmin=0, vmax=1,
    )  # fmt: skip
    for robot_id, colour in zip(ids, colours, strict=True):
        text = f'{robot_id.removeprefix("robot_")}\n{colour:.0%}'
        dark = not colour > 0.6
        axes.annotate(
            text, places[robot_id], ha='center', va='center', fontsize=8,
            color='white' if dark else 'black',
        )  # fmt: skip
    axes.set_title(f'who hears whom; accuracy of each robot, {method}')
    axes.set_axis_off()
    axes.figure.colorbar(nodes, ax=axes, shrink=0.8)


def _draw_curves(axes: Axes, runs: Mapping[str, Rows], name: str, label: str) -> None:
    for method, rows in runs.items():
        rounds = _rounds(rows)
        values = [row[name] for row in rounds]
        if not all(math.isnan(value) for value in values):
            axes.plot([row['round'] for row in rounds], values, marker='o', ms=4, label=method)
    axes.set_xlabel('round')
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel(label)
    axes.grid(alpha=0.3)
    axes.legend()


def _draw_costs(axes: Axes, runs: Mapping[str, Rows]) -> None:
    for method, rows in runs.items():
        rounds, robots = _rounds(rows), rows[-1]['robots']
        sizes = [row['bytes_total'] / robots for row in rounds]
        axes.plot(sizes, [row['robot_accuracy'] for row in rounds], marker='o', ms=4, label=method)
        joules = rows[-1]['joules_active'] / robots
        axes.annotate(
            f'{joules:,.0f} J', (sizes[-1], rounds[-1]['robot_accuracy']), fontsize=8,
            textcoords='offset points', xytext=(4, 4),
        )  # fmt: skip
    axes.set_xscale('log')
    axes.set_ylim(0, 1)
    axes.set_title('joules of one robot, above idling', fontsize='medium')
    axes.set_xlabel('bytes sent and received by one robot')
    axes.set_ylabel('mean test accuracy')
    axes.grid(alpha=0.3, which='both')
    axes.margins(x=0.15)
    axes.legend(loc='upper left')
