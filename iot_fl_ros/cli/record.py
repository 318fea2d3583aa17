"""Record a bag: a camera, the federation or any topics; or make one from pictures.

Recording ends with Ctrl-C. What was written up to half a second before survives a kill.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import yaml

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.data.image_stream import SOURCES

# Those of bag/, which take a second to import; a test compares.
_STORAGES = ('mcap', 'sqlite3')
_COMPRESSIONS = ('none', 'zstd', 'lz4')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add('--bag', type=Path, required=True, help='folder to make')
    add('--storage', choices=_STORAGES, default='mcap', help='kind of files')
    add('--compression', choices=_COMPRESSIONS, default='none', help='of the chunks of MCAP files')
    add('--max-size', type=float, default=0.0, help='MB of a file, then a new one begins; 0 = one')
    add('--max-duration', type=float, default=0.0, help='seconds of a file, in the same way')
    add('--topics', nargs='+', default=[], metavar='TOPIC', help='to record')
    add('--camera', nargs='+', default=[], metavar='TOPIC', help='the same, for pictures')
    add('--fleet', action='store_true', help='all topics with messages of this package')
    add('--all', action='store_true', help='every topic')
    add('--fleet-namespace', default='/fleet', help='of the topics that the fleet shares')
    add('--source', help=f'make the bag from pictures, without ROS: {SOURCES}')
    add('--topic', default='/camera/image', help='of the pictures of --source')
    add('--rate', type=float, default=10.0, help='pictures a second of --source')
    add('--count', type=int, default=0, help='pictures of --source; 0 = all')
    add('--stride', type=int, default=1, help='take every n-th picture')
    add('--quality', type=int, default=0, help='of JPEGs; 0 = raw pictures')


def run(arguments: argparse.Namespace) -> int:
    """Make the bag."""
    from iot_fl_ros.bag.pictures import Shooting, make_bag
    from iot_fl_ros.bag.writer import BagSettings

    if not arguments.source:
        return _record(arguments)
    settings = BagSettings(
        arguments.storage, arguments.compression, round(arguments.max_size * 1_000_000),
        arguments.max_duration,
    )  # fmt: skip
    shooting = Shooting(
        arguments.source, arguments.topic, arguments.rate, arguments.count, arguments.stride,
        arguments.quality,
    )  # fmt: skip
    count = make_bag(arguments.bag, shooting, settings)
    print(f'wrote {arguments.bag}: {count:,} pictures of {arguments.source}')
    return 0


def _record(arguments: argparse.Namespace) -> int:
    """Be the recorder node until a signal comes."""
    topics = [*arguments.topics, *arguments.camera]
    if not (topics or arguments.fleet or arguments.all):
        raise ConfigError('nothing to record: --topics, --camera, --fleet, --all or --source')
    from iot_fl_ros.nodes.launcher import launch

    same = (
        'fleet', 'all', 'fleet_namespace', 'storage', 'compression', 'max_size', 'max_duration'
    )  # fmt: skip
    values = {'bag': str(arguments.bag.absolute()), 'topics': topics or ['']}
    values |= {name: getattr(arguments, name) for name in same}
    parameters = [f'{name}:={_yaml(value)}' for name, value in values.items()]
    return launch(
        'recorder', ['--ros-args', *(part for one in parameters for part in ('-p', one))]
    )


def _yaml(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=1 << 20).split('\n...')[0].strip()
