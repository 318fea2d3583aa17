"""The files of an evaluation: the same evaluation gives the same bytes.

`summary.json`, `table.csv`, `table.md`, two plots, and `answers`, a bag with what the tail said at
every loss rate, each with the header of its picture.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from iot_fl_ros.bag.definitions import canonical
from iot_fl_ros.bag.evaluation import ROBOT, Evaluation
from iot_fl_ros.bag.evaluation_figures import LossFigures, figures_of, unsplit_accuracy
from iot_fl_ros.bag.writer import BagWriter
from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.core.messages.split import Inference
from iot_fl_ros.core.run_files import write_json
from iot_fl_ros.core.run_folder import check_folder
from iot_fl_ros.ros.convert import encode
from iot_fl_ros.ros.topics import publisher_qos

_TYPE = 'iot_fl_ros/msg/Inference'
_SUMMARY = 'summary.json'
# Folder for the logs of live nodes.
LIVE = 'live'
_NANO = 1_000_000_000
_COLUMNS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    'loss': ('lost', '{:.0%}'.format),
    'answered': ('answered', '{:.1%}'.format),
    'accuracy': ('accuracy', '{:.1%}'.format),
    'agreement': ('agreement', '{:.1%}'.format),
    'found': ('found', '{:,}'.format),
    'others': ('others', '{:,}'.format),
    'overlap': ('overlap', '{:.3f}'.format),
    'features_received': ('features in', '{:.1%}'.format),
    'bytes_per_picture': ('B a picture', '{:,.0f}'.format),
    'latency_p50': ('latency p50', lambda seconds: f'{1e3 * seconds:.1f} ms'),
    'latency_p99': ('p99', lambda seconds: f'{1e3 * seconds:.1f} ms'),
}


def check_output(folder: Path) -> None:
    """Raise ConfigError if `folder` is a file, or holds something else than an evaluation."""
    check_folder(folder)
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if there - {LIVE} and _SUMMARY not in there:
        raise ConfigError(f'--output {folder} holds something else: choose an empty folder')


def write_evaluation(
    evaluation: Evaluation, folder: Path, described: Mapping[str, Any]
) -> list[LossFigures]:
    """Write all files; return the figures. described: what was evaluated and how, for JSON."""
    check_output(folder)
    folder.mkdir(parents=True, exist_ok=True)
    figures = figures_of(evaluation)
    summary = {
        **described,
        'topic': evaluation.topic,
        'pictures': len(evaluation.shown),
        'unusable_pictures': sum(answer is None for answer in evaluation.unsplit),
        'labelled_pictures': sum(shown.label >= 0 for shown in evaluation.shown),
        'unsplit_accuracy': unsplit_accuracy(evaluation),
        'losses': [dataclasses.asdict(one) for one in figures],
    }
    write_json(folder / _SUMMARY, summary)
    (folder / 'table.csv').write_text(_csv(figures))
    titles, rows = table_of(figures)
    lines = [titles, ['--:'] * len(titles), *rows]
    (folder / 'table.md').write_text(''.join(f'| {" | ".join(line)} |\n' for line in lines))
    shares = {'agreement': 'agreement with the unsplit model', 'answered': 'answered'}
    if figures[0].accuracy is not None:
        shares['accuracy'] = 'accuracy'
    _plot(figures, shares, 100.0, 'share of pictures, %', folder / 'agreement.png')
    times = {'latency_p50': 'median', 'latency_p99': '99th percentile'}
    _plot(figures, times, 1e3, 'from stamp to answer, ms', folder / 'latency.png')
    shutil.rmtree(folder / 'answers', ignore_errors=True)
    _write_answers(evaluation, folder / 'answers', described)
    return figures


def table_of(figures: Sequence[LossFigures]) -> tuple[list[str], list[list[str]]]:
    """Return titles and rows for people, without columns that say nothing here."""
    rows = [dataclasses.asdict(one) for one in figures]
    shown = [name for name in _COLUMNS if any(row[name] is not None for row in rows)]
    cells = [
        ['' if row[name] is None else _COLUMNS[name][1](row[name]) for name in shown]
        for row in rows
    ]
    return [_COLUMNS[name][0] for name in shown], cells


def _csv(figures: Sequence[LossFigures]) -> str:
    text = io.StringIO()
    rows = [dataclasses.asdict(one) for one in figures]
    writer = csv.DictWriter(text, list(rows[0]), lineterminator='\n')
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _plot(
    figures: Sequence[LossFigures], curves: Mapping[str, str], scale: float, unit: str, path: Path
) -> None:
    """Write a PNG without date and version of the program, which would differ.

    curves: name of a figure -> label.
    """
    figure = Figure(figsize=(6.4, 4.0), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for (name, label), marker in zip(curves.items(), 'osD', strict=False):
        rates = [100 * one.loss for one in figures]
        values = [scale * (getattr(one, name) or 0.0) for one in figures]
        axes.plot(rates, values, marker=marker, label=label)
    axes.set(xlabel='packets lost, %', ylabel=unit)
    axes.set_ylim(bottom=0, top=1.06 * max(1e-9, axes.dataLim.y1))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120, metadata={'Software': None})


def _write_answers(evaluation: Evaluation, path: Path, described: Mapping[str, Any]) -> None:
    messages: list[tuple[int, str, bytes]] = []
    pairs = zip(evaluation.shown, evaluation.unsplit, strict=True)
    for number, (shown, answer) in enumerate(pairs):
        if answer is not None:
            message = Inference(
                header=shown.header, robot_id=ROBOT, session=0, epoch=0, frame=number,
                received=1.0, latency=0.0, **answer.fields(evaluation.bundle.class_names),
            )  # fmt: skip
            messages.append((shown.stamp, '/evaluation/unsplit/inference', encode(message)))
    for run in evaluation.runs:
        topic = f'/evaluation/loss_{f"{run.loss:g}".replace(".", "_")}/inference'
        for number, inference in sorted(run.answers.items()):
            shown = evaluation.shown[number]
            message = dataclasses.replace(inference, header=shown.header)
            stamp = shown.stamp + round(inference.latency * _NANO)
            messages.append((stamp, topic, encode(message)))
    with BagWriter(path, custom={k: str(v) for k, v in described.items()}) as writer:
        for _, topic, _ in messages:
            writer.add_topic(topic, _TYPE, [publisher_qos(Inference)])
        for stamp, topic, raw in sorted(messages, key=lambda one: one[:2]):
            writer.write(topic, stamp, canonical(_TYPE, raw))
