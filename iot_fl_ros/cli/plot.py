"""Draw accuracy against bytes and against rounds, for one or several runs."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('runs', nargs='+', type=Path, help='folders of runs')
    parser.add_argument('--output', type=Path, default=Path('.'), help='where the plots go')


def run(arguments: argparse.Namespace) -> int:
    """Draw the plots and print their paths."""
    from iot_fl_ros.reports.run_plots import plot_runs

    for path in plot_runs({folder.name: folder for folder in arguments.runs}, arguments.output):
        print(path)
    return 0
