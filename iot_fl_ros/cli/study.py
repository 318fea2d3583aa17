"""Compare methods over cases and seeds in memory; write tables and plots with error bands.

Finished runs are kept and not done again, unless their settings have changed. Several runs go on
at once, on the cores of this machine or, with --backend ray, on those of a Ray cluster.
"""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from joblib import Parallel, delayed
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from iot_fl_ros.core.errors import ConfigError, IotFlError
from iot_fl_ros.core.run_files import RunWriter, write_json
from iot_fl_ros.reports.selection_report import write_selection_report
from iot_fl_ros.reports.study_report import write_report
from iot_fl_ros.ros.share import share_folder
from iot_fl_ros.studies.loss_runs import run_loss_study
from iot_fl_ros.studies.results import MARK, read_mark
from iot_fl_ros.studies.selection import GAME_KEYS, games_of, read_games
from iot_fl_ros.studies.selection_runs import play_games
from iot_fl_ros.studies.study import StudyRun, do_run, read_study

Result = tuple[StudyRun, list[dict[str, Any]], dict[str, Any]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('study', help='YAML file, or the name of one in config/studies')
    parser.add_argument('--output', type=Path, help='folder of the runs (runs/study-<name>)')
    parser.add_argument('--report', type=Path, help='folder of tables and plots (the output)')
    parser.add_argument('--jobs', type=int, default=os.cpu_count(), help='runs at a time')
    parser.add_argument(
        '--backend', choices=('loky', 'ray'), default='loky', help='who does the runs'
    )
    parser.add_argument('--only', action='append', default=[], help='sections to run; repeatable')
    parser.add_argument('--list', action='store_true', help='show the runs and what is done')


def run(arguments: argparse.Namespace) -> int:
    """Do the runs that are not done yet, then write the report."""
    name, tree = read_tree(arguments.study)
    if tree.get('kind') == 'loss':
        output = arguments.output or Path('runs') / f'study-{name}'
        report = arguments.report or output
        path = run_loss_study(name, tree, output, report, arguments.jobs, Console())
        print(f'wrote {path}')
        return 0
    selection = tree.get('kind') == 'selection'
    games = read_games(tree.get('games'), tree.get('game_settings')) if selection else ()
    study = read_study(name, {k: v for k, v in tree.items() if k not in GAME_KEYS})
    output = arguments.output or Path('runs') / f'study-{study.name}'
    console = Console()
    unknown = set(arguments.only) - {section.name for section in (*study.sections, *games)}
    if unknown:
        raise ConfigError(f'--only {sorted(unknown)}: no section of study {study.name!r}')
    wanted = [run for run in study.runs if not arguments.only or run.section in arguments.only]
    missing = [run for run in wanted if 'seconds' not in read_mark(run, output)]
    if arguments.list:
        for item in wanted:
            console.print(f'{"todo" if item in missing else "done"}  {item.folder}')
        return 0
    _do_all(missing, len(wanted), output, arguments.jobs, arguments.backend, console)
    report = arguments.report or output
    if selection:
        chosen = [g for g in games if not arguments.only or g.name in arguments.only]
        play_games(games_of(chosen), output, arguments.jobs, console)
        console.print(f'wrote {write_selection_report(study, games, output, report)}')
        return 0
    path = write_report(study, output, report)
    console.print(f'wrote {path} and {output / "results.json"}')
    return 0


def read_tree(name: str) -> tuple[str, Mapping[str, Any]]:
    """Return name and content of a study's file."""
    path = Path(name)
    if not path.is_file():
        path = share_folder() / 'config' / 'studies' / f'{name}.yaml'
    try:
        tree = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f'cannot read study {path}: {error}') from error
    if not isinstance(tree, Mapping):
        raise ConfigError(f'{path} holds a {type(tree).__name__}: a mapping is needed')
    return path.stem, tree


def _do_all(
    missing: Sequence[StudyRun], total: int, output: Path, jobs: int, backend: str,
    console: Console,
) -> None:  # fmt: skip
    """Do the runs; every finished one is on disk before the next is waited for."""
    columns = (
        TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    results = _with_ray(missing, jobs) if backend == 'ray' else _with_joblib(missing, jobs)
    with Progress(*columns, console=console) as progress:
        task = progress.add_task('runs', total=total, completed=total - len(missing))
        for item, rows, mark in results:
            _keep(item, rows, mark, output)
            progress.update(task, advance=1, description=str(item.folder))


def _with_joblib(items: Sequence[StudyRun], jobs: int) -> Iterator[Result]:
    tasks = (delayed(_do_one)(item) for item in items)
    # In order: joblib 1.3, which Ubuntu 24.04 has, knows no other way.
    yield from Parallel(n_jobs=jobs, return_as='generator')(tasks)


def _with_ray(items: Sequence[StudyRun], jobs: int) -> Iterator[Result]:
    """Let Ray do the runs: on the cluster that RAY_ADDRESS names, else `jobs` at a time here."""
    try:
        import ray
    except ImportError as error:
        raise ConfigError('--backend ray needs Ray: pip install "ray>=2.9,<3"') from error
    cluster = os.environ.get('RAY_ADDRESS')
    # Not joblib's Ray backend: it gives nothing back before all runs are done.
    ray.init(**({'address': cluster} if cluster else {'num_cpus': jobs}))
    try:
        task = ray.remote(num_cpus=1)(_do_one)
        pending = [task.remote(item) for item in items]
        while pending:
            done, pending = ray.wait(pending)
            yield from ray.get(done)
    finally:
        ray.shutdown()


def _do_one(item: StudyRun) -> Result:
    """Do a run; one that fails must not take the others with it."""
    try:
        rows, seconds = do_run(item)
    except IotFlError as error:
        return item, [], {'error': str(error)}
    return item, rows, {'seconds': seconds}


def _keep(
    item: StudyRun, rows: list[dict[str, Any]], mark: Mapping[str, Any], output: Path
) -> None:
    folder = output / item.folder
    shutil.rmtree(folder, ignore_errors=True)
    writer = RunWriter(folder, dict(item.settings), 0)
    for row in rows:
        writer.record(row)
    write_json(folder / MARK, {'digest': item.digest, **mark})
