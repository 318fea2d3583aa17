"""Tables, pictures and files about split models on lossy links."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from iot_fl_ros.core.run_files import write_json
from iot_fl_ros.reports.figures import MARKERS, plt, save
from iot_fl_ros.reports.tables import table_of
from iot_fl_ros.reports.texts import percent

Curves = Mapping[str, Mapping[float, float]]


def report_losses(
    curves: Curves, frame_bytes: Mapping[str, int], data: str, output: Path, console: Console
) -> None:
    """Print the accuracy of each model at each loss; write loss.json and loss.png."""
    rates = list(next(iter(curves.values())))
    rows = [
        [name, *(f'{100 * accuracy:.1f}' for accuracy in curve.values()), f'{frame_bytes[name]:,}']
        for name, curve in curves.items()
    ]
    columns = ['model', *(f'{rate:.0%}' for rate in rates), 'B a frame']
    console.print(table_of(f'Accuracy against packet loss, {data}', columns, rows))
    output.mkdir(parents=True, exist_ok=True)
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


def draw_accuracy_against_loss(curves: Curves, path: Path, title: str) -> Path:
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
