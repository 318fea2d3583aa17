"""Run a fleet in memory: the same state machines and maths, in virtual time."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from iot_fl_ros.cli.options import (
    add_robot_models,
    add_run_arguments,
    check_quorum,
    flat_settings_of,
    own_settings_of,
)
from iot_fl_ros.core.errors import IotFlError
from iot_fl_ros.core.messages.federation import AGGREGATOR
from iot_fl_ros.core.names import robot_ids
from iot_fl_ros.core.run_files import RunWriter, accuracy_of, read_summary
from iot_fl_ros.core.run_folder import check_same_run, own
from iot_fl_ros.core.store import FolderStore
from iot_fl_ros.federation.settings import FleetSettings, default_config, resolved
from iot_fl_ros.reports.progress import bars
from iot_fl_ros.reports.run_tables import summary_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_run_arguments(parser)
    threads = os.cpu_count() or 1
    parser.add_argument('--threads', type=int, default=threads, help='robots that train at a time')
    add_robot_models(parser, 'models of the robots, in turn (methods that exchange labels)')


def run(arguments: argparse.Namespace) -> int:
    """Simulate the run, print its table and draw its plots."""
    import torch

    from iot_fl_ros.memory.federation import Simulation
    from iot_fl_ros.reports.run_plots import plot_runs

    flat, ids = flat_settings_of(arguments), robot_ids(arguments.robots)
    settings = FleetSettings.from_flat(flat)
    name, rounds = settings.method_name, settings.aggregator.run.rounds
    torch.set_num_threads(settings.aggregator.node.threads)
    check_quorum(settings, arguments.robots)
    folder = arguments.output
    config = resolved(settings.aggregator, name, settings.method)
    own(folder)
    store = FolderStore(folder / 'checkpoints')
    resume = settings.aggregator.run.resume
    if resume:
        check_same_run(folder, config, default_config(settings.method))
    start = time.perf_counter()
    console = Console()
    writers: list[RunWriter] = []
    with bars(console) as progress:
        task = progress.add_task(name, total=rounds)

        def restored(last_round: int) -> None:
            if not resume:
                store.clear()  # before the settings in the folder are others
            writers.append(RunWriter(folder, config, last_round))
            progress.update(task, completed=last_round)
            if last_round:
                over = 'is over already, after' if last_round >= rounds else 'goes on after'
                console.print(f'the run in {folder} {over} round {last_round} of {rounds}')

        def record(row: Mapping[str, Any]) -> None:
            writers[-1].record(row)
            if row['kind'] == 'round':
                shown = accuracy_of(row)
                text = f'{name}, accuracy {shown:.3f}'
                progress.update(task, completed=row['round'], description=text)

        simulation = Simulation(
            settings, robots=arguments.robots, record=record,
            store=store, threads=arguments.threads, crashes=False,
            models=arguments.robot_models, restored=restored,
            own={
                robot_id: FleetSettings.from_flat({**flat, **given}).learner
                for robot_id, given in own_settings_of(arguments, ids).items()
            },
        )  # fmt: skip
        simulation.told = lambda robot, text: progress.console.print(
            f'{robot}: {text}', markup=False, highlight=False
        )
        simulation.start_all()
        simulation.run()
    problem = simulation.hosts[AGGREGATOR].problem
    if problem:
        raise IotFlError(problem)
    console.print(summary_table({name: read_summary(arguments.output)}))
    console.print(f'simulated in {time.perf_counter() - start:.1f} s; seconds above are virtual')
    plot_runs({name: arguments.output}, arguments.output)
    return 0
