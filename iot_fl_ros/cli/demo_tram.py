"""The demo of Tram-FL: a model travels through ten robots as a token.

Each robot has two to five kinds of clothes, and a process of its own; they meet over DDS, without
a server. First one token, then two that are trained half as long each and merged when they meet.
Writes summary.json and a picture.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from rich.console import Console

from iot_fl_ros.core.config import read_yaml
from iot_fl_ros.core.run_files import write_json
from iot_fl_ros.core.run_folder import own
from iot_fl_ros.data.fashion_mnist import load, obtain
from iot_fl_ros.processes.nodes import private_dds_env
from iot_fl_ros.processes.serverless import run_tram, summarize_tram
from iot_fl_ros.reports.run_tables import tram_table
from iot_fl_ros.ros.share import share_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add('--output', type=Path, default=Path('runs/tram'), help='folder for results')
    add('--updates', type=int, help='mini-batches of all tokens together')
    add('--robots', type=int, default=10, help='number of robots')
    add('--tokens', type=int, nargs='+', default=[1, 2], help='numbers of tokens to compare')


def run(arguments: argparse.Namespace) -> int:
    """Run the fleet with each number of tokens, compare them and say where the results are."""
    from iot_fl_ros.reports.serverless_plots import plot_tram

    console = Console()
    own(arguments.output)
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
    names = load('test').class_names
    write_json(output / 'summary.json', summaries)
    console.print(tram_table(summaries))
    for path in (output / 'summary.json', plot_tram(runs, output, names)):
        console.print(f'wrote {path}')
    return 0
