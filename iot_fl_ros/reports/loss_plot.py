"""The picture of split inference: accuracy against packet loss."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from iot_fl_ros.reports.figures import MARKERS, plt, save


def draw_accuracy_against_loss(
    curves: Mapping[str, Mapping[float, float]], path: Path, title: str = ''
) -> Path:
    """Write a PNG: one line per name, share of packets lost -> accuracy, both 0..1."""
    figure, axes = plt.subplots(figsize=(6.4, 4.0), layout='constrained')
    for number, (name, curve) in enumerate(curves.items()):
        rates = sorted(curve)
        axes.plot(
            [100 * rate for rate in rates], [100 * curve[rate] for rate in rates],
            marker=MARKERS[number % len(MARKERS)], markersize=5, label=name,
        )  # fmt: skip
    axes.set_xlabel('packets lost, %')
    axes.set_ylabel('accuracy, %')
    axes.set_ylim(0, 100)
    axes.set_title(title)
    axes.grid(alpha=0.3)
    axes.legend(loc='lower left')
    return save(figure, path)
