"""Show the data sets, or look into one."""

from __future__ import annotations

import argparse

import numpy as np
from rich.console import Console

from iot_fl_ros.data.registry import DATA_SETS, load_samples
from iot_fl_ros.reports.tables import table_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('name', nargs='?', help='registered name, folder, .npz or module:function')
    parser.add_argument('--split', choices=('train', 'test'), default='train')


def run(arguments: argparse.Namespace) -> int:
    """Print the registered names, or the classes and shape of one data set."""
    console = Console()
    if not arguments.name:
        for name in DATA_SETS.names():
            console.print(name)
        return 0
    samples = load_samples(arguments.name, arguments.split)
    console.print(f'{len(samples)} samples of shape {samples.shape}, {samples.values.dtype}')
    if samples.labels is not None:
        counts = np.bincount(samples.labels, minlength=len(samples.class_names))
        rows = [
            [str(label), name, str(count)]
            for label, (name, count) in enumerate(zip(samples.class_names, counts, strict=False))
        ]
        console.print(table_of('', ['label', 'class', 'samples'], rows, left=['class']))
    return 0
