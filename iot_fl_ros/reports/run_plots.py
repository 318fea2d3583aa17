"""Accuracy against bytes and against rounds, for one or several runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.core.run_files import accuracy_of, read_events
from iot_fl_ros.core.run_folder import make_folder
from iot_fl_ros.reports.figures import MARKERS, plt, save


def plot_runs(runs: Mapping[str, Path], output: Path) -> list[Path]:
    """Write accuracy_bytes.png and accuracy_rounds.png; return their paths."""
    curves = {name: _curve(folder) for name, folder in runs.items()}
    make_folder(output)
    return [
        _draw(
            {name: (sizes, accuracies) for name, (_, sizes, accuracies) in curves.items()},
            'bytes sent and received by one robot', 'log', output / 'accuracy_bytes.png',
        ),
        _draw(
            {name: (rounds, accuracies) for name, (rounds, _, accuracies) in curves.items()},
            'round', 'linear', output / 'accuracy_rounds.png',
        ),
    ]  # fmt: skip


def _curve(folder: Path) -> tuple[list[int], list[float], list[float]]:
    rows = read_events(folder)
    rounds = [row for row in rows if row['kind'] == 'round']
    if not rounds:
        raise DataError(f'{folder} holds no rounds: give the folder of a run')
    robots = max((len(row['participants']) for row in rows if row['kind'] == 'open'), default=1)
    return (
        [row['round'] for row in rounds],
        [row['bytes_total'] / robots for row in rounds],
        [accuracy_of(row) for row in rounds],
    )


def _draw(
    curves: Mapping[str, tuple[list, list[float]]], label: str, scale: str, path: Path
) -> Path:
    figure, axes = plt.subplots(figsize=(6.4, 4.0), layout='constrained')
    for (name, (x, y)), marker in zip(curves.items(), MARKERS * len(curves), strict=False):
        axes.plot(x, y, marker=marker, markersize=4, label=name)
    axes.set(xscale=scale, xlabel=label, ylabel='test accuracy', ylim=(0, 1))
    axes.grid(alpha=0.3, which='both')
    axes.legend(loc='best')
    return save(figure, path)
