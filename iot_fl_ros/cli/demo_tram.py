"""The demo of Tram-FL: a model travels through ten robots as a token, over DDS, with no server.

Each robot, in a process of its own, has two to five kinds of clothes. First one token, then two
that are trained half as long each and merged when they meet. Writes summary.json and a picture.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from iot_fl_ros.core.config import read_yaml
from iot_fl_ros.core.run_files import write_json
from iot_fl_ros.data.fashion_mnist import obtain
from iot_fl_ros.processes.nodes import private_dds_env
from iot_fl_ros.processes.token import run_tram, summarize_tram
from iot_fl_ros.reports.token_plot import plot_tram
from iot_fl_ros.ros.share import share_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        '--output', type=Path, default=Path('runs/tram'), help='folder for results'
    )
    parser.add_argument('--updates', type=int, help='mini-batches of all tokens together')
    parser.add_argument('--robots', type=int, default=10, help='number of robots')
    parser.add_argument(
        '--tokens', type=int, nargs='+', default=[1, 2], help='numbers of tokens to compare'
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the fleet with each number of tokens, compare them and say where the results are."""
    console = Console()
    with console.status('getting Fashion-MNIST'):
        obtain()
    base = {**read_yaml(share_folder() / 'config' / 'tram.yaml'), 'tram.count': arguments.robots}
    updates = arguments.updates or base['run.updates']
    output = arguments.output.absolute()
    runs, summaries = {}, {}
    for tokens in arguments.tokens:
        title = f'{tokens} token{"s" if tokens > 1 else ""}'
        folder = output / f'tokens_{tokens}'
        shutil.rmtree(folder, ignore_errors=True)
        settings = {
            **base,
            'run.name': f'tram-{tokens}',
            'run.output': str(folder),
            'run.updates': max(1, updates // tokens),
            'tram.tokens': tokens,
        }
        runs[title] = run_tram(title, settings, console=console, env=private_dds_env())
        summaries[title] = summarize_tram(runs[title], folder)
    write_json(output / 'summary.json', summaries)
    console.print(tram_table(summaries))
    for path in (output / 'summary.json', plot_tram(runs, output)):
        console.print(f'wrote {path}')
    return 0


def tram_table(summaries: dict[str, dict[str, Any]]) -> Table:
    """Return the table that compares runs; bytes and joules are of all robots together."""
    table = Table(title='Tram-FL; bytes and joules of all robots together')
    columns = ('', 'accuracy', 'batches', 'merged', 'MB', 's', 'training', 'J')
    for column in (*columns, 'J above idle'):
        table.add_column(column, justify='right', no_wrap=True)
    for title, one in summaries.items():
        best = one['accuracy']
        # Of the time of all robots: 1/M where one of M trains at a time.
        busy = one['train_seconds'] / max(1e-9, one['seconds'] * one['robots'])
        table.add_row(
            title, '-' if best is None else f'{best:.1%}', f'{one["updates"]:,}',
            f'{one["merged"]:,}', f'{one["bytes"] / 1e6:,.0f}',
            f'{one["seconds"]:,.0f}', f'{busy:.1%}', f'{sum(one["joules"].values()):,.0f}',
            f'{one["joules_active"]:,.0f}',
        )  # fmt: skip
    return table
