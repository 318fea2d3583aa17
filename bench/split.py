"""From the head's tensor to the tail's tensor: codec alone, then packets over DDS.

Prints one JSON line per size. Beside our path, in the same run: a bare rclpy program that sends as
many equal messages, and one NumPy copy of the same float32 array. Two processes, this machine, the
same executor and Fast DDS profile on both sides.
Usage: bench/split.py [--frames N] [--rate HZ]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
import torch
from rclpy.experimental import EventsExecutor
from rclpy.node import Node

from iot_fl_ros.core.feature_packet import FeaturePacket, FramePackets, read_packet
from iot_fl_ros.ros.convert import ROS_TYPES
from iot_fl_ros.ros.network_profile import use_network_profile
from iot_fl_ros.ros.topics import publisher_qos, subscription_qos
from iot_fl_ros.split.codec import CodecSpec, FeatureCodec, fit_codec
from iot_fl_ros.split.open_frame import OpenFrame

SIZES = {'8192x8bit': ((128, 8, 8), 8), '65536x4bit': ((64, 32, 32), 4)}
SIDES = ('ours', 'bare')
WARM_UP = 30
REPEAT = 2_000


def make_codec(name: str) -> tuple[FeatureCodec, np.ndarray]:
    """Return the codec of one size and a frame of features, as after a ReLU."""
    shape, bits = SIZES[name]
    spec = CodecSpec((shape,), bits=bits, min_packets=1)
    features = np.random.default_rng(0).normal(size=(8, spec.elements)).clip(min=0)
    features = features.astype(np.float32)
    return fit_codec(spec, features), features[0]


def median_us(function: Callable[[], Any]) -> float:
    """Return the median time of a call, microseconds."""
    times = np.empty(REPEAT)
    for index in range(REPEAT):
        start = time.perf_counter()
        function()
        times[index] = time.perf_counter() - start
    return float(np.median(times) * 1e6)


class Receiver:
    """Takes frames on one side; an answer's time goes back as an empty message."""

    def __init__(self, node: Node, side: str, name: str) -> None:
        self._codec, _ = make_codec(name)
        self._count = self._codec.layout.packets
        self._frame: OpenFrame | None = None
        self._number = -1
        self._done = node.create_publisher(ROS_TYPES[FeaturePacket], 'done', 10)
        self._message = ROS_TYPES[FeaturePacket]()
        self._seen = 0
        node.create_subscription(
            ROS_TYPES[FeaturePacket], 'packets', getattr(self, side),
            subscription_qos(FeaturePacket, 1.0), raw=side == 'ours',
        )  # fmt: skip

    def ours(self, raw: bytes) -> None:
        """Put a packet in its place; decode a complete frame."""
        packet = read_packet(raw)
        if packet.frame != self._number or self._frame is None:
            self._frame, self._number = OpenFrame(packet, None, self._codec, 0.0), packet.frame
        else:
            self._frame.add(packet)
        if self._frame.complete:
            frame = self._frame.close()
            torch.from_numpy(self._codec.decode(frame.payload, frame.arrived, frame.ranges))
            self._answer(packet.frame)

    def bare(self, message: Any) -> None:
        """Count messages."""
        self._seen = self._seen + 1 if message.frame == self._number else 1
        self._number = message.frame
        if self._seen == self._count:
            self._answer(message.frame)

    def _answer(self, frame: int) -> None:
        self._message.frame = frame
        self._done.publish(self._message)


class Sender:
    """Sends frames and waits for each to be done."""

    def __init__(self, node: Node, side: str, name: str) -> None:
        self._codec, self._features = make_codec(name)
        self._side = side
        self._sequence = 0
        kind = ROS_TYPES[FeaturePacket]
        self._publisher = node.create_publisher(kind, 'packets', publisher_qos(FeaturePacket))
        self.done = -1
        node.create_subscription(kind, 'done', self._done, 10)
        payload, _ = self._codec.encode(self._features)
        self._equal = [kind(data=row.tobytes(), robot_id='robot') for row in payload]

    def send(self, frame: int) -> None:
        """Send one frame."""
        if self._side == 'bare':
            for message in self._equal:
                message.frame = frame
                self._publisher.publish(message)
            return
        payload, ranges = self._codec.encode(self._features)
        packets = FramePackets(
            0, '', 'robot', 1, 1, self._sequence, frame, (1, 1), self._codec.layout.elements,
            ranges, payload,
        )  # fmt: skip
        self._sequence += len(payload)
        for raw in packets.to_bytes():
            self._publisher.publish(raw)

    def _done(self, message: Any) -> None:
        self.done = message.frame


def cpu_seconds(pid: int | None = None) -> float:
    """Return the processor time that a process has used, s."""
    fields = Path(f'/proc/{pid or os.getpid()}/stat').read_text().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def receive(side: str, name: str) -> None:
    """Be the receiving process until killed."""
    node, executor = make_node('receiver')
    receiver = Receiver(node, side, name)
    print('ready', flush=True)
    while receiver:
        executor.spin_once(timeout_sec=1.0)


def make_node(name: str) -> tuple[Node, EventsExecutor]:
    """Return a node and its executor; a process has one of each."""
    torch.set_num_threads(1)
    use_network_profile()
    rclpy.init()
    node = rclpy.create_node(name)
    executor = EventsExecutor()
    executor.add_node(node)
    return node, executor


def over_dds(node: Node, executor: EventsExecutor, side: str, name: str, frames: int) -> dict:
    """Return latencies (s) and processor time a frame (s) of one side."""
    command = [sys.executable, __file__, '--receive', side, name]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    sender = Sender(node, side, name)
    while node.count_subscribers('packets') < 1 or node.count_publishers('done') < 1:
        executor.spin_once(timeout_sec=0.05)
    latencies = []
    cpu = 0.0
    began = 0.0
    try:
        for frame in range(WARM_UP + frames):
            if frame == WARM_UP:
                cpu = cpu_seconds() + cpu_seconds(process.pid)
                began = time.perf_counter()
            start = time.perf_counter()
            sender.send(frame)
            while sender.done != frame and time.perf_counter() - start < 1.0:
                executor.spin_once(timeout_sec=0.01)
            if frame >= WARM_UP:
                latencies.append(time.perf_counter() - start)
        seconds = time.perf_counter() - began
        cpu = cpu_seconds() + cpu_seconds(process.pid) - cpu
    finally:
        process.kill()
        process.wait()
    for entity in list(node.publishers):
        if entity.topic_name == '/packets':
            node.destroy_publisher(entity)
    for subscription in list(node.subscriptions):
        if subscription.topic_name == '/done':
            node.destroy_subscription(subscription)
    return {'latencies': latencies, 'cpu': cpu / frames, 'fps': frames / seconds}


def measure(node: Node, executor: EventsExecutor, name: str, frames: int) -> dict[str, Any]:
    """Return the figures of one size."""
    codec, features = make_codec(name)
    payload, ranges = codec.encode(features)
    arrived = np.ones(codec.layout.packets, bool)
    # In turns, so that both sides see the same machine.
    runs: dict[str, list[dict]] = {side: [] for side in SIDES}
    for _ in range(3):
        for side in SIDES:
            runs[side].append(over_dds(node, executor, side, name, frames // 3))
    latency = {side: np.concatenate([r['latencies'] for r in runs[side]]) for side in SIDES}
    cpu = {side: 1e6 * float(np.mean([r['cpu'] for r in runs[side]])) for side in SIDES}
    result = {
        'encode_us': median_us(lambda: codec.encode(features)),
        'decode_us': median_us(lambda: codec.decode(payload, arrived, ranges)),
        'copy_us': median_us(features.copy),
        'fps': float(np.mean([r['fps'] for r in runs['ours']])),
        'p50_ms': 1e3 * float(np.quantile(latency['ours'], 0.5)),
        'p99_ms': 1e3 * float(np.quantile(latency['ours'], 0.99)),
        'bare_p50_ms': 1e3 * float(np.quantile(latency['bare'], 0.5)),
        'bare_cpu_us': cpu['bare'],
        'cpu_us': cpu['ours'],
    }
    return {'size': name, 'packets': codec.layout.packets,
            **{key: round(value, 3) for key, value in result.items()}}  # fmt: skip


def main() -> None:
    """Print one line per size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--frames', type=int, default=900)
    parser.add_argument('--receive', nargs=2, metavar=('SIDE', 'SIZE'))
    arguments = parser.parse_args()
    if arguments.receive:
        receive(*arguments.receive)
        return
    os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    node, executor = make_node('sender')
    for name in SIZES:
        print(json.dumps(measure(node, executor, name, arguments.frames)), flush=True)


if __name__ == '__main__':
    main()
