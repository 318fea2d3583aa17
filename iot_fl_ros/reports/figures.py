"""The one place where matplotlib is set up: pictures go to files, never to a screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use('Agg')
from matplotlib import pyplot as plt

MARKERS = 'osD^vPX*<>hp'


def save(figure: Any, path: Path, dpi: int = 120) -> Path:
    """Write a figure as PNG and close it; return the path."""
    figure.savefig(path, dpi=dpi)
    plt.close(figure)
    return path


def panels(count: int, height: float, **options: Any) -> tuple[Any, list[Any]]:
    """Return a figure with one panel a case, two in a row; options: of `plt.subplots`."""
    columns = min(2, count)
    rows = -(-count // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(6.0 * columns, height * rows), squeeze=False,
        layout='constrained', **options,
    )  # fmt: skip
    for place in axes.flat[count:]:
        place.set_visible(False)
    return figure, list(axes.flat[:count])


def legend_below(figure: Any, panels: list[Any], columns: int) -> None:
    """Put one legend for all panels below them, in fewer columns where so many do not fit."""
    handles: dict[str, Any] = {}
    for place in panels:
        for handle, label in zip(*place.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    for number in range(columns, 0, -1):
        legend = figure.legend(
            list(handles.values()), list(handles), loc='outside lower center', ncols=number,
            fontsize='small',
        )  # fmt: skip
        box = legend.get_window_extent(figure.canvas.get_renderer())
        if number == 1 or box.width <= figure.bbox.width:
            # Besides the panels, not instead of them.
            figure.set_figheight(figure.get_figheight() + box.height / figure.dpi)
            return
        legend.remove()


def legend_under(axes: Any, columns: int) -> None:
    """Put a legend under one panel, where it covers no data."""
    axes.legend(
        loc='upper center', bbox_to_anchor=(0.5, -0.13), ncols=columns, fontsize='small',
        frameon=False,
    )  # fmt: skip
