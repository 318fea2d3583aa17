"""Show the models and their sizes."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Table

from iot_fl_ros.models.registry import MODELS, build_model, parameter_count


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('--shape', type=int, nargs='+', default=[1, 28, 28], help='input shape')
    parser.add_argument('--classes', type=int, default=10, help='number of classes')


def run(arguments: argparse.Namespace) -> int:
    """Print a table of registered models."""
    table = Table('model', 'parameters', 'float32 bytes')
    for name in MODELS.names():
        model = build_model(name, tuple(arguments.shape), arguments.classes, seed=0)
        count = parameter_count(model)
        table.add_row(name, f'{count:,}', f'{4 * count:,}')
    Console().print(table)
    return 0
