"""The picture of a simulated fleet: routes seen from above, a view of each robot, accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from iot_fl_ros.reports.figures import plt, save
from iot_fl_ros.world.collection import TRACK, VIEW
from iot_fl_ros.world.plan import TopView

Accuracies = Mapping[str, float]
_COLOURS = ('tab:red', 'tab:blue', 'tab:green', 'tab:purple')
_STYLES = ('-', '--', ':', '-.')  # of robots that share a colour


def plot_sim(
    folder: Path, ids: Sequence[str], top: NDArray[np.uint8], results: Mapping[str, Accuracies]
) -> Path:
    """Draw sim.png into `folder`, which holds a folder of each robot; return its path.

    top: the hall from above, [height, width, 3]. results: by what was done, robots' accuracies.
    """
    figure = plt.figure(figsize=(15.0, 8.2), layout='constrained')
    grid = figure.add_gridspec(4, 4, width_ratios=(1.1, 1.1, 0.9, 1.2))
    _draw_routes(figure.add_subplot(grid[:, :2]), folder, ids, top)
    for row, robot_id in enumerate(ids[:4]):
        _draw_view(figure.add_subplot(grid[row, 2]), folder, robot_id, _colour(row))
    _draw_accuracy(figure.add_subplot(grid[:, 3]), ids, results)
    return save(figure, folder / 'sim.png', dpi=110)


def _colour(index: int) -> str:
    return _COLOURS[index % len(_COLOURS)]


def _draw_routes(axes: Axes, folder: Path, ids: Sequence[str], top: NDArray[np.uint8]) -> None:
    height, width = top.shape[:2]
    view = TopView(width, height)
    axes.imshow(top)
    for index, robot_id in enumerate(ids):
        track = np.load(folder / robot_id / TRACK)['track']
        pixels = np.array([view.pixel(x, y) for _, x, y, _ in track])
        colour = _colour(index)
        style = _STYLES[index // len(_COLOURS) % len(_STYLES)]
        axes.plot(*pixels.T, style, color=colour, linewidth=1.2, label=robot_id)
        axes.plot(*pixels[0], 'o', color=colour, markersize=9, markeredgecolor='white')
    axes.legend(loc='lower center', bbox_to_anchor=(0.5, -0.09), ncol=4, frameon=False)
    axes.set_title('where they went (dot: start, in the own room)')
    axes.set_axis_off()


def _draw_view(axes: Axes, folder: Path, robot_id: str, colour: str) -> None:
    picture = cv2.imread(str(folder / robot_id / VIEW))
    if picture is not None:
        axes.imshow(picture[..., ::-1])
    axes.set_title(f'{robot_id} in its own room', color=colour, fontsize=10)
    axes.set_axis_off()


def _draw_accuracy(axes: Axes, ids: Sequence[str], results: Mapping[str, Accuracies]) -> None:
    places = np.arange(len(ids), dtype=float)
    width = 0.8 / len(results)
    for number, (name, accuracies) in enumerate(results.items()):
        values = [accuracies[robot_id] for robot_id in ids]
        shift = (number - (len(results) - 1) / 2) * width
        bars: Any = axes.bar(places + shift, values, width, label=name)
        axes.bar_label(bars, [f'{value:.0%}' for value in values], fontsize=9, padding=2)
    axes.set_xticks(places, ids, fontsize=9)
    axes.set(ylim=(0, 1), ylabel='accuracy on what was seen in the rooms of the others')
    axes.set_xlabel('robot')
    axes.legend(loc='lower center', bbox_to_anchor=(0.5, -0.14), ncol=2, frameon=False)
