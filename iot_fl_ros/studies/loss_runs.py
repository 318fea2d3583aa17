"""The runs of a loss study: train what is missing, measure, report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed
from rich.console import Console

from iot_fl_ros.core.run_files import write_json
from iot_fl_ros.reports.loss_report import write_loss_report
from iot_fl_ros.reports.training_progress import TrainingProgress
from iot_fl_ros.studies.loss import (
    BASE,
    ROWS,
    LossStudy,
    measure,
    read_loss_study,
    rows_digest,
    train_bundle,
)


def run_loss_study(
    name: str, tree: Mapping[str, Any], output: Path, report: Path, jobs: int, console: Console
) -> Path:
    """Do what is not done yet, one data set and seed a job; return the path of the report.

    With one job the epochs are shown; more run in processes of their own.
    """
    study = read_loss_study(name, tree)
    cases = [(data_set, seed) for seed in study.seeds for data_set in study.data_sets]
    if jobs == 1:
        with TrainingProgress(console) as progress:
            for data_set, seed in cases:
                console.print(f'{data_set}, seed {seed}')
                _do(study, data_set, seed, output, progress)
    else:
        tasks = (delayed(_do)(study, data_set, seed, output) for data_set, seed in cases)
        done = Parallel(n_jobs=jobs, return_as='generator')(tasks)
        for (data_set, seed), _ in zip(cases, done, strict=True):
            console.print(f'{data_set}, seed {seed}: done')
    return report_of(study, output, report)


def report_of(study: LossStudy, output: Path, report: Path) -> Path:
    """Write the report from what has been measured so far."""
    rows: dict[str, dict[int, Any]] = {data_set: {} for data_set in study.data_sets}
    for data_set in study.data_sets:
        for seed in study.seeds:
            kept = _kept_rows(study, data_set, seed, output)
            if kept is not None:
                rows[data_set][seed] = kept
    return write_loss_report(study, rows, report)


def _do(
    study: LossStudy, data_set: str, seed: int, output: Path,
    progress: TrainingProgress | None = None,
) -> None:  # fmt: skip
    if _kept_rows(study, data_set, seed, output) is not None:
        return
    for variant in (BASE, *study.variants_of(data_set)):
        train_bundle(study, data_set, seed, variant, output, progress)
    rows = measure(study, data_set, seed, output)
    document = {'digest': rows_digest(study, data_set, seed), 'rows': rows}
    write_json(output / data_set / f'seed{seed}' / ROWS, document)


def _kept_rows(study: LossStudy, data_set: str, seed: int, output: Path) -> Any:
    """Return the rows measured before under the same settings, or None."""
    path = output / data_set / f'seed{seed}' / ROWS
    if not path.is_file():
        return None
    document = json.loads(path.read_text())
    same = document['digest'] == rows_digest(study, data_set, seed)
    return document['rows'] if same else None
