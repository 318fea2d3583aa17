"""Record a bag: a camera, the federation, or any topics; or make one from a video or folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from iot_fl_ros.bag.making import Shooting, make_bag
from iot_fl_ros.bag.storage import COMPRESSIONS
from iot_fl_ros.bag.writer import STORAGES, BagSettings
from iot_fl_ros.data.image_stream import SOURCES

_MEGA = 1_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('--bag', type=Path, required=True, help='folder to make')
    parser.add_argument(
        '--storage', choices=sorted(STORAGES), default='mcap', help='kind of files'
    )
    parser.add_argument(
        '--compression', choices=COMPRESSIONS, default='none', help='of the chunks of MCAP files'
    )
    parser.add_argument(
        '--max-size', type=float, default=0.0, help='MB of a file, then a new one begins; 0 = one'
    )
    parser.add_argument(
        '--max-duration', type=float, default=0.0, help='seconds of a file, in the same way'
    )
    parser.add_argument('--source', help=f'make the bag from pictures, without ROS: {SOURCES}')
    parser.add_argument('--topic', default='/camera/image', help='of the pictures of --source')
    parser.add_argument('--rate', type=float, default=10.0, help='pictures a second of --source')
    parser.add_argument('--count', type=int, default=0, help='pictures of --source; 0 = all')
    parser.add_argument('--stride', type=int, default=1, help='take every n-th picture')
    parser.add_argument('--quality', type=int, default=0, help='of JPEGs; 0 = raw pictures')


def run(arguments: argparse.Namespace) -> int:
    """Make the bag."""
    settings = BagSettings(
        arguments.storage,
        arguments.compression,
        round(arguments.max_size * _MEGA),
        arguments.max_duration,
    )
    console = Console()
    shooting = Shooting(
        arguments.source, arguments.topic, arguments.rate, arguments.count, arguments.stride,
        arguments.quality,
    )  # fmt: skip
    count = make_bag(arguments.bag, shooting, settings)
    console.print(f'wrote {arguments.bag}: {count:,} pictures of {arguments.source}')
    return 0
