"""Recording and evaluating bags, beside what the disk and the decoder do in the same run.

A publisher in a process of its own offers pictures at a steady rate to the recorder's process;
what the bag holds in the end is compared with what was offered. Evaluation is compared with
reading and decoding alone. Prints one JSON line; MB are 10^6 bytes.
Usage: bench/bag.py [--seconds 10] [--rate 50] [--pictures 100] [--folder runs/bench-bag]
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import rclpy
import torch
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from iot_fl_ros.bag.evaluation import EvaluationSettings, evaluate
from iot_fl_ros.bag.pictures import Shooting, image_topic, make_bag, pictures
from iot_fl_ros.bag.reader import Bag, open_bag
from iot_fl_ros.bag.storage import COMPRESSIONS
from iot_fl_ros.bag.writer import BagSettings, BagWriter
from iot_fl_ros.cli.main import main as iot_fl
from iot_fl_ros.processes.nodes import NodeProcesses, private_dds_env
from iot_fl_ros.ros.images import to_rgb
from iot_fl_ros.ros.network_profile import use_network_profile
from iot_fl_ros.split.bundle import Bundle, load_bundle
from iot_fl_ros.split.jobs import head_features, run_tail

MB = 1_000_000
HEIGHT, WIDTH = 480, 694  # px: a picture of 1 MB


def main() -> None:
    """Measure all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seconds', type=float, default=10.0)
    parser.add_argument('--rate', type=float, default=50.0, help='MB/s offered to the recorder')
    parser.add_argument('--fastest', type=float, default=400.0, help='the highest rate to try')
    parser.add_argument('--pictures', type=int, default=100, help='pictures to evaluate')
    parser.add_argument('--folder', type=Path, default=Path('runs/bench-bag'))
    parser.add_argument('--publish', type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.publish:
        publish(arguments.publish, arguments.seconds)
        return
    folder = arguments.folder.absolute()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    result: dict[str, Any] = {'bench': 'bag', 'cores': os.cpu_count(), 'load': os.getloadavg()[0]}
    size = round(arguments.rate * arguments.seconds * MB)
    result['disk_mb_s'] = round(plain_write(folder / 'plain', size), 1)
    for compression in ('none', 'zstd'):
        result[f'record_{compression}'] = record(folder, arguments, arguments.rate, compression)
    result['record_most'] = fastest(folder, arguments)
    result['writer_mb_s'] = {one: round(write(folder, one), 1) for one in COMPRESSIONS}
    result |= evaluation(folder, arguments.pictures)
    print(json.dumps(result))
    shutil.rmtree(folder)


def plain_write(path: Path, size: int) -> float:
    """Return the speed of writing `size` bytes of noise to one file, to the disk, MB/s."""
    block = np.random.default_rng(0).integers(0, 255, MB, np.uint8).tobytes()
    start = time.perf_counter()
    with path.open('wb') as file:
        for _ in range(size // MB):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    seconds = time.perf_counter() - start
    path.unlink()
    return size / MB / seconds


def noise() -> Image:
    """Return a picture of 1 MB that cannot be compressed."""
    message = Image(height=HEIGHT, width=WIDTH, encoding='rgb8', step=3 * WIDTH)
    values = np.random.default_rng(0).integers(0, 255, 3 * HEIGHT * WIDTH, np.uint8)
    message.data.frombytes(values.tobytes())
    return message


def publish(rate: float, seconds: float) -> None:
    """Offer `rate` MB/s for `seconds` to a recorder, then say how many messages that were."""
    use_network_profile('camera')
    rclpy.init()
    node = rclpy.create_node('camera')
    qos = QoSProfile(depth=20, reliability=ReliabilityPolicy.RELIABLE)
    publisher = node.create_publisher(Image, '/camera', qos)
    while not publisher.get_subscription_count():
        rclpy.spin_once(node, timeout_sec=0.05)
    message = noise()
    period = len(message.data) / MB / rate
    count, start = round(seconds / period), time.perf_counter()
    for number in range(count):
        message.header.stamp.sec = number
        publisher.publish(message)
        time.sleep(max(0.0, start + (number + 1) * period - time.perf_counter()))
    took = time.perf_counter() - start
    time.sleep(2.0)  # what is on its way arrives
    print(json.dumps({'offered': count, 'seconds': took}), flush=True)
    node.destroy_node()
    rclpy.try_shutdown()


def record(
    folder: Path, arguments: argparse.Namespace, rate: float, compression: str
) -> dict[str, Any]:
    """Record what a publisher in a process of its own offers; return what became of it."""
    bag = folder / 'bag'
    shutil.rmtree(bag, ignore_errors=True)
    env = private_dds_env()
    with NodeProcesses(folder, env=env) as processes:
        parameters = (f'bag:={bag}', 'topics:=[/camera]', f'compression:={compression}')
        processes.start('recorder', [part for one in parameters for part in ('-p', one)])
        watched = psutil.Process(processes.pid('recorder'))
        command = [sys.executable, __file__, '--publish', str(rate)]
        ran = subprocess.run(
            [*command, '--seconds', str(arguments.seconds)],
            env={**os.environ, **env}, capture_output=True, text=True, check=True, timeout=300,
        )  # fmt: skip
        times = watched.cpu_times()
    offered = json.loads(ran.stdout.splitlines()[-1])
    with open_bag(bag) as opened:
        numbers = [int.from_bytes(message.raw[4:8], 'little') for message in opened.messages()]
    shutil.rmtree(bag)
    return {
        'offered_mb_s': round(offered['offered'] / offered['seconds'], 1),
        'offered': offered['offered'],
        'recorded': len(set(numbers)),
        'missing': offered['offered'] - len(set(numbers)),
        'in_order': numbers == sorted(numbers),
        'recorder_cpu_s': round(times.user + times.system, 1),
    }


def fastest(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Double the rate until messages are missing; return the last run in which none was."""
    best: dict[str, Any] = {}
    rate = 2 * arguments.rate
    while rate <= arguments.fastest:
        found = record(folder, arguments, rate, 'none')
        if found['missing'] or found['offered_mb_s'] < 0.9 * rate:
            return {**best, 'next': found}
        best, rate = found, 2 * rate
    return best


def write(folder: Path, compression: str, count: int = 300) -> float:
    """Return the speed of our writer alone, without DDS, to the disk, MB/s."""
    from rclpy.serialization import serialize_message

    bag, raw = folder / 'writer', serialize_message(noise())
    start = time.perf_counter()
    with BagWriter(bag, BagSettings(compression=compression)) as writer:
        writer.add_topic('/camera', 'sensor_msgs/msg/Image')
        for number in range(count):
            writer.write('/camera', number, raw)
    with (bag / writer.files[0]).open('rb') as file:
        os.fsync(file.fileno())
    seconds = time.perf_counter() - start
    shutil.rmtree(bag)
    return count * len(raw) / MB / seconds


def evaluation(folder: Path, count: int) -> dict[str, Any]:
    """Compare evaluating YOLOv3-tiny on a video with reading and decoding its pictures alone."""
    torch.set_num_threads(1)
    bag, bundles = folder / 'video', folder / 'bundles'
    make_bag(bag, Shooting('vtest', count=count, quality=90))
    with contextlib.redirect_stdout(sys.stderr):
        iot_fl(['bundle', 'yolov3_tiny', '--pictures', '16', '--bundle-dir', str(bundles)])
    with open_bag(bag) as opened:
        start = time.perf_counter()
        decoded = sum(to_rgb(one.message).nbytes for one in pictures(opened, image_topic(opened)))
        decoding = time.perf_counter() - start
        alone = model_alone(opened, load_bundle(bundles / 'yolov3_tiny'))
        found = evaluate(opened, bundles / 'yolov3_tiny', (0.0, 0.3), EvaluationSettings())
    return {
        'decode_pictures_s': round(count / decoding, 1),
        'decode_mb_s': round(decoded / MB / decoding, 1),
        'evaluate_pictures_s': round(count / found.timing.whole, 1),
        'evaluate_losses': 2,
        'model_pictures_s': round(alone, 1),
    }


def model_alone(bag: Bag, bundle: Bundle) -> float:
    """Return pictures a second of what an evaluation at two losses asks of torch, and no more.

    That is the head once and the tail three times: unsplit, and at each loss.
    """
    chosen = list(itertools.islice(pictures(bag, image_topic(bag)), 20))
    start = time.perf_counter()
    for one in chosen:
        features = head_features(bundle, to_rgb(one.message))
        for _ in range(3):
            run_tail(bundle, features[None])
    return len(chosen) / (time.perf_counter() - start)


if __name__ == '__main__':
    main()
