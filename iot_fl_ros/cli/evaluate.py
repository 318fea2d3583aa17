"""Evaluate a split model on the pictures of a bag, at growing packet loss.

Every picture goes through head, emulated link and tail; no node runs. Writes a table,
plots and the answers as a bag; the same command gives the same files. With --live the real nodes
do it, at the speed of the recording.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from rich.progress import Progress

from iot_fl_ros.cli.options import add_bundle_dir, add_set, overrides_of
from iot_fl_ros.core.config import read_settings
from iot_fl_ros.reports.tables import table_of, wide_console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add('--bag', type=Path, required=True, help='a folder, or one .mcap or .db3 file')
    add('--bundle', required=True, help='folder of a bundle, or its name in --bundle-dir')
    add_bundle_dir(parser)
    add('--topic', default='', help='of the pictures; needed if there are several')
    add('--labels', default='', help='topic with Inference messages that are true')
    add('--loss', type=float, nargs='+', default=(0.0, 0.1, 0.3, 0.5), metavar='SHARE',
        help='shares of packets to lose')  # fmt: skip
    add('--output', type=Path, help='folder for results (runs/evaluate-BAG)')
    add_set(parser, 'link.delay=0.005, deadline=0.5 or bits=4')
    add('--live', action='store_true', help='by real nodes over DDS, at the speed of the bag')
    add('--speed', type=float, default=1.0, help='with --live: seconds of the bag in a second')
    add('--salvage', action='store_true', help='read past damage')


def run(arguments: argparse.Namespace) -> int:
    """Evaluate and write the results."""
    import torch

    from iot_fl_ros.bag.evaluation import EvaluationSettings, evaluate
    from iot_fl_ros.bag.evaluation_files import LIVE, check_output, write_evaluation
    from iot_fl_ros.bag.evaluation_files import table_of as figures_table
    from iot_fl_ros.bag.pictures import image_topic
    from iot_fl_ros.bag.reader import open_bag
    from iot_fl_ros.processes.split import evaluate_live

    torch.set_num_threads(1)  # the order of additions decides about the last bits
    console = wide_console()
    settings = read_settings(EvaluationSettings, overrides_of(arguments.set))
    path = Path(arguments.bundle).expanduser()  # or a name in --bundle-dir
    folder = path if path.is_dir() else arguments.bundle_dir.expanduser() / arguments.bundle
    folder = folder.absolute()
    output = arguments.output or Path('runs') / f'evaluate-{arguments.bag.stem}'
    check_output(output)
    with open_bag(arguments.bag, salvage=arguments.salvage) as bag:
        for note in bag.notes:
            console.print(f'[yellow]{note}')
        # Live, one loss rate tells what the unsplit model says.
        losses = tuple(arguments.loss[:1] if arguments.live else arguments.loss)
        topic = image_topic(bag, arguments.topic)
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task('pictures', total=bag.topics[topic].count)
            evaluation = evaluate(
                bag, folder, losses, settings, topic=topic, labels=arguments.labels,
                progress=lambda number: progress.update(task, completed=number),
            )  # fmt: skip
    if arguments.live:
        console.print('now by the nodes, over DDS')
        evaluation = evaluate_live(
            evaluation, arguments.bag, folder, arguments.loss, settings, output / LIVE,
            speed=arguments.speed, salvage=arguments.salvage,
        )  # fmt: skip
    bundle = evaluation.bundle
    described = {
        'live': arguments.live, 'bag': arguments.bag.name, 'bundle': bundle.name,
        'bundle_digest': bundle.digest.hex(), 'settings': asdict(settings),
    }  # fmt: skip
    figures = write_evaluation(evaluation, output, described)
    count = len(evaluation.shown)
    objects = f', {figures[0].objects:,} objects' if figures[0].objects is not None else ''
    title = f'{bundle.name} on {count:,} pictures of {evaluation.topic}{objects}'
    console.print(table_of(title, *figures_table(figures)))
    if evaluation.strange:
        named = ', '.join(f'{name!r} ({count})' for name, count in evaluation.strange.items())
        console.print(
            f'labels that are no classes of the bundle count as unknown: {named}',
            style='yellow', markup=False,
        )  # fmt: skip
    unusable = sum(answer is None for answer in evaluation.unsplit)
    if unusable:
        text = f'{unusable:,} of {count:,} pictures cannot be used: they count as not answered'
        console.print(f'[yellow]{text}')
    timing, count = evaluation.timing, max(1, count)
    console.print(
        f'{count / timing.whole:.1f} pictures/s at {len(figures)} loss rates; a picture takes '
        f'{1e3 * timing.decode / count:.1f} ms to decode, {1e3 * timing.head / count:.1f} ms in '
        f'the head, {1e3 * timing.whole / count:.1f} ms in all'
    )
    console.print(f'wrote {output}')
    return 0
