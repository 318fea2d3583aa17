"""Compare methods over cases and seeds in memory; write tables and plots.

Finished runs are kept and not done again, unless their settings have changed. Several runs go on
at once, on the cores of this machine or, with --backend ray, on those of a Ray cluster.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from rich.console import Console

from iot_fl_ros.core.config import refuse_unknown
from iot_fl_ros.core.run_folder import make_folder, own
from iot_fl_ros.reports.progress import TrainingProgress, bars
from iot_fl_ros.studies.runner import BACKENDS, run_tasks


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add('study', help='YAML file, or the name of one in config/studies')
    add('--output', type=Path, help='folder of the runs (runs/study-<name>)')
    add('--report', type=Path, help='folder of tables and plots (the output)')
    add('--jobs', type=int, default=os.cpu_count(), help='runs at a time')
    add('--backend', choices=BACKENDS, default='loky', help='who does the runs')
    add('--only', action='append', default=[], help='sections to run; repeatable')
    add('--list', action='store_true', help='show the runs and what is done')


def run(arguments: argparse.Namespace) -> int:
    """Do the runs that are not done yet, then write the report; 1 if one of them failed."""
    from iot_fl_ros.reports.kinds import kind_of, read_file

    console = Console()
    name, tree = read_file(arguments.study)
    kind = kind_of(tree)
    study = kind.read(name, tree)
    output = arguments.output or Path('runs') / f'study-{study.name}'
    refuse_unknown(arguments.only, {task.section for task in study.tasks}, 'section')
    wanted = [t for t in study.tasks if not arguments.only or t.section in arguments.only]
    missing = [task for task in wanted if not task.done(output)]
    if arguments.list:
        for task in wanted:
            console.print(f'{"todo" if task in missing else "done"}  {task.path}')
        return 0
    report = arguments.report or output
    own(output)  # of two that do the same runs each would delete what the other has begun
    make_folder(report)  # now, not after hours
    errors, jobs, backend = {}, arguments.jobs, arguments.backend
    with bars(console) as progress:
        bar = progress.add_task('runs', total=len(wanted), completed=len(wanted) - len(missing))
        epochs = TrainingProgress(console, progress)
        for task, error in run_tasks(missing, output, jobs, backend, epochs):
            progress.update(bar, advance=1, description=str(task.path))
            if error:
                errors[task.path] = error
    console.print(f'wrote {kind.report(study, output, report)}')
    for path, error in errors.items():
        console.print(f'[red]failed[/red] {path}: {error}', soft_wrap=True)
    if errors:
        console.print(
            f'{len(errors)} of {len(wanted)} runs failed: the report is without them; the same '
            'command does them again'
        )
    return int(bool(errors))
