"""Make a bundle of a pretrained model, without labels.

The codec is fitted on pictures like those the robot will see. With --epochs the model is also
tuned to answer under packet loss as it does without (COMtune with itself as the teacher).
"""

from __future__ import annotations

import argparse
import itertools

import numpy as np
from rich.console import Console

from iot_fl_ros.cli.options import add_bundle_dir, new_bundle
from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.data.image_stream import SOURCES, open_stream
from iot_fl_ros.reports.progress import TrainingProgress
from iot_fl_ros.split.codec import FILLS

# Those of split/pretrained.py, which imports torch; a test compares.
_MODELS = ('efficientnet_lite0', 'yolov3_tiny')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add('model', choices=_MODELS, help='pretrained model')
    add('--name', help='name of the bundle (that of the model)')
    add('--split-point', default='', help='layer to cut behind (the usual one)')
    add('--source', default='vtest', help=SOURCES)
    add('--pictures', type=int, default=64, help='pictures to take of the source')
    add('--stride', type=int, default=1, help='take every n-th picture')
    add('--skip', type=int, default=0, help='pictures to leave out at first')
    add('--fill', choices=FILLS, default='mean', help='what stands for lost features')
    add('--bits', type=int, default=8, help='bits of a feature')
    add('--epochs', type=int, default=0, help='epochs of tuning; 0 = none')
    add('--learning-rate', type=float, default=5e-4, help='of tuning')
    add('--highest-loss', type=float, default=0.7, help='tune for losses from 0 to this share')
    add('--seed', type=int, default=0, help='seed of tuning and interleaving')
    add_bundle_dir(parser)


def run(arguments: argparse.Namespace) -> int:
    """Make the bundle and say what it sends."""
    from iot_fl_ros.split.bundle import save_bundle
    from iot_fl_ros.split.comtune import LossSettings
    from iot_fl_ros.split.recipe import CodecSettings, imitate, pretrained_bundle
    from iot_fl_ros.split.training import TrainingSettings

    if min(arguments.pictures, arguments.stride) < 1 or arguments.skip < 0:
        raise ConfigError('--pictures and --stride are at least 1, --skip at least 0')
    folder = new_bundle(arguments, arguments.name or arguments.model)
    console = Console()
    end = arguments.skip + arguments.pictures * arguments.stride
    stream = itertools.islice(open_stream(arguments.source), arguments.skip, end, arguments.stride)
    pictures = [picture.rgb for picture in stream]
    if not pictures:
        text = f'{arguments.source!r} has no pictures behind the first {arguments.skip}'
        raise ConfigError(text)
    codec = CodecSettings(bits=arguments.bits, fill=arguments.fill)
    bundle, inputs = pretrained_bundle(
        arguments.model, pictures, codec, arguments.split_point, arguments.seed
    )
    if arguments.epochs:
        batch_size = min(8, len(inputs))
        training = TrainingSettings(arguments.epochs, batch_size, arguments.learning_rate, 0.0)
        loss = LossSettings(high=arguments.highest_loss)
        with TrainingProgress(console) as progress:
            bundle = imitate(bundle, np.asarray(inputs), training, loss, arguments.seed, progress)
    save_bundle(bundle, folder)
    layout = bundle.codec.layout
    console.print(
        f'wrote {folder}: cut behind {bundle.architecture.split_point}, '
        f'{bundle.codec.spec.elements:,} features, {layout.frame_bytes:,} B a frame in '
        f'{layout.packets} packets'
    )
    return 0
