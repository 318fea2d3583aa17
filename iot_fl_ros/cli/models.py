"""Show the models and their sizes, or where one of them can be cut."""

from __future__ import annotations

import argparse
import math

from rich.console import Console
from rich.table import Table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add('--shape', type=int, nargs='+', default=[1, 28, 28], help='input shape')
    add('--classes', type=int, default=10, help='number of classes')
    add('--split-points', metavar='MODEL', help='list the split points of a model')


def run(arguments: argparse.Namespace) -> int:
    """Print a table of registered models, or of the split points of one."""
    from iot_fl_ros.models.registry import MODELS, build_model, parameter_count

    shape = tuple(arguments.shape)
    if arguments.split_points:
        Console().print(_split_points(arguments.split_points, shape, arguments.classes))
        return 0
    table = Table('model', 'parameters', 'float32 bytes')
    for name in MODELS.names():
        model = build_model(name, shape, arguments.classes, seed=0)
        count = parameter_count(model)
        table.add_row(name, f'{count:,}', f'{4 * count:,}')
    Console().print(table)
    return 0


def _split_points(name: str, shape: tuple[int, ...], classes: int) -> Table:
    """Return what crosses a cut behind each layer of a model."""
    from iot_fl_ros.models.registry import build_model
    from iot_fl_ros.split.bundle import feature_shapes
    from iot_fl_ros.split.cut import cut, split_points

    table = Table('split point', 'crossing tensors', 'elements', 'float32 bytes')
    model = build_model(name, shape, classes, seed=0).eval()
    for point in split_points(model):
        shapes = feature_shapes(cut(model, point), shape)
        elements = sum(math.prod(s) for s in shapes)
        crossing = ' + '.join('x'.join(map(str, s)) for s in shapes)
        table.add_row(point, crossing, f'{elements:,}', f'{4 * elements:,}')
    return table
