"""From the head's tensor to the tail's tensor: the codec alone, then the machines of the nodes.

Prints one JSON line per size. `p50_ms` is the time from the tensor in the head's worker thread to
that in the tail's: encoding, both machines, packets over DDS, reassembly, decoding. Beside it, in
the same run and in turns: a bare rclpy program, from before it sends as many equal messages to its
callback for the last one (`bare`), the same with messages that are not deserialized (`bare_raw`),
and one NumPy copy of the same float32 array. A frame is answered (all sides alike) before the next
one goes out; `fps` and processor time include that. Two processes, this machine (whose clock they
share), the same executor, QoS and Fast DDS profile everywhere.
Usage: bench/split.py [--frames N]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import rclpy
import torch
from rclpy.experimental import EventsExecutor
from rclpy.node import Node
from rclpy.serialization import serialize_message

from iot_fl_ros.core.events import PictureArrived, SwitchRequested
from iot_fl_ros.core.machine import Stateless
from iot_fl_ros.core.messages.delivery import Role
from iot_fl_ros.core.messages.feature_packet import FeaturePacket
from iot_fl_ros.core.messages.fields import SourceHeader
from iot_fl_ros.core.messages.split import Inference
from iot_fl_ros.processes.nodes import private_domain
from iot_fl_ros.ros.convert import ROS_TYPES
from iot_fl_ros.ros.driver import MachineDriver
from iot_fl_ros.ros.network_profile import use_network_profile
from iot_fl_ros.ros.topics import packet_qos, publisher_qos
from iot_fl_ros.ros.worker import WorkerThread
from iot_fl_ros.split.codec import CodecSpec, FeatureCodec, fit_codec
from iot_fl_ros.split.head import HeadMachine
from iot_fl_ros.split.jobs import (
    Answer,
    Encoded,
    EncodeFrame,
    Inferred,
    LoadBundle,
    PreparedTail,
    PrepareTail,
)
from iot_fl_ros.split.tail import TailMachine

SIZES = {'8192x8bit': ((128, 8, 8), 8), '65536x4bit': ((64, 32, 32), 4)}
SIDES = ('ours', 'bare', 'bare_raw')
ROBOT, FLEET = 'robot', '/bench'
DEADLINE = 10.0
WARM_UP = 50
REPEAT = 2_000
TURNS = 3
PAUSE = 0.2  # s, between attempts to begin
NO_ANSWER = Answer(np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros((0, 4), np.float32))


def make_codec(name: str) -> tuple[FeatureCodec, np.ndarray]:
    """Return the codec of one size and a frame of features, as after a ReLU."""
    shape, bits = SIZES[name]
    spec = CodecSpec((shape,), bits=bits, min_packets=1)
    features = np.random.default_rng(0).normal(size=(8, spec.elements)).clip(min=0)
    features = features.astype(np.float32)
    return fit_codec(spec, features), features[0]


class Worker(Stateless):
    """Does the jobs of both machines, without any layers."""

    def __init__(self, name: str) -> None:
        self._codec, self._features = make_codec(name)
        self.times: list[float] = []  # of each frame: before encoding, or after decoding
        self._bundle: Any = SimpleNamespace(
            name='bench', digest=bytes(32), task='classification', class_names=(),
            architecture=SimpleNamespace(split_point='bench'), codec=self._codec,
        )  # fmt: skip

    def run(self, job: Any) -> Any:
        """Do a job."""
        match job:
            case LoadBundle():
                return self._bundle
            case EncodeFrame(header, _, _, epoch):
                self.times.append(time.perf_counter())
                payload, ranges = self._codec.encode(self._features)
                elements = self._codec.layout.elements
                return Encoded(header, epoch, payload, ranges, elements, (1, 1), 0.0)
            case PrepareTail():
                return PreparedTail(self._bundle, self._codec, 0.0)
        for frame in job.frames:
            torch.from_numpy(self._codec.decode(frame.payload, frame.arrived, frame.ranges))
        self.times.append(time.perf_counter())
        return Inferred((NO_ANSWER,) * len(job.frames), 0.0)

    def save(self, job: Any) -> None:
        """Nothing is kept."""


class BareReceiver:
    """Answers the last message of each frame."""

    def __init__(self, node: Node, name: str, raw: bool) -> None:
        self._count = make_codec(name)[0].layout.packets
        self._answer = node.create_publisher(
            ROS_TYPES[Inference], f'/{ROBOT}/inference', publisher_qos(Inference)
        )
        self._message = ROS_TYPES[Inference]()
        self._seen, self._last = 0, 0.0
        self.times: list[float] = []
        node.create_subscription(
            ROS_TYPES[FeaturePacket], f'{FLEET}/feature_packets', self._arrived,
            packet_qos(1024, None), raw=raw,
        )  # fmt: skip

    def _arrived(self, message: Any) -> None:
        now = time.perf_counter()
        # A frame that began before the two had found each other is not whole.
        self._seen = self._seen + 1 if now - self._last < PAUSE / 2 else 1
        self._last = now
        if self._seen == self._count:
            self._seen = 0
            self.times.append(time.perf_counter())
            self._answer.publish(self._message)


class BareSender:
    """Sends as many messages as a frame has packets, each as large."""

    def __init__(self, node: Node, name: str, raw: bool) -> None:
        codec, features = make_codec(name)
        kind = ROS_TYPES[FeaturePacket]
        self._publisher = node.create_publisher(
            kind, f'{FLEET}/feature_packets', packet_qos(1024, DEADLINE)
        )
        payload, _ = codec.encode(features)
        messages = [kind(data=row.tobytes(), robot_id=ROBOT) for row in payload]
        self._messages = [serialize_message(m) for m in messages] if raw else messages
        self.ready = True
        self.times: list[float] = []

    def send(self, stamp: int) -> None:
        """Send one frame."""
        self.times.append(time.perf_counter())
        for message in self._messages:
            self._publisher.publish(message)

    def stop(self) -> None:
        """Nothing to stop."""


class OurSender:
    """The machine of a head, as its node drives it."""

    def __init__(self, node: Node, name: str) -> None:
        self.ready = False
        self._thread = WorkerThread()
        worker = Worker(name)
        self.times = worker.times
        self._driver = MachineDriver(
            node, Role.HEAD, HeadMachine(ROBOT, os.getpid(), DEADLINE, 60.0), worker,
            self._thread, namespace=FLEET, deadline=DEADLINE,
        )  # fmt: skip
        self._driver.start()
        self._driver.tell(SwitchRequested('bench', 0, self._switched))

    def _switched(self, success: bool, epoch: int, reason: str) -> None:
        self.ready = success

    def send(self, stamp: int) -> None:
        """Send one frame."""
        self._driver.tell(PictureArrived(SourceHeader(stamp, ''), None))

    def stop(self) -> None:
        """Stop the machine."""
        self._driver.stop()
        self._thread.ask_to_stop()


def receive(side: str, name: str) -> None:
    """Be the receiving process until SIGTERM."""
    asked: list[int] = []

    node, executor = make_node('receiver')
    signal.signal(signal.SIGTERM, lambda *_: asked.append(1))  # in place of rclpy's own
    taker: Worker | BareReceiver
    if side == 'ours':
        taker = Worker(name)
        machine = TailMachine('edge', 1, 1)
        driver = MachineDriver(node, Role.TAIL, machine, taker, WorkerThread(), namespace=FLEET)
        driver.start()
    else:
        taker = BareReceiver(node, name, side == 'bare_raw')
    print('ready', flush=True)
    while not asked:
        executor.spin_once(timeout_sec=0.1)
    print(json.dumps(taker.times), flush=True)
    node.destroy_node()
    rclpy.shutdown()
    os._exit(0)


def make_node(name: str) -> tuple[Node, Any]:
    """Return a node and its executor; a process has one of each."""
    torch.set_num_threads(1)
    sys.setswitchinterval(0.0005)  # as nodes/process.py does
    use_network_profile()
    rclpy.init()
    node = rclpy.create_node(name)
    executor = EventsExecutor()
    executor.add_node(node)
    return node, executor


def send(side: str, name: str, frames: int) -> None:
    """Be the sending process: print latencies (s) and processor time of both (s) as JSON."""
    command = [sys.executable, __file__, '--receive', side, name]
    receiver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert receiver.stdout is not None
    receiver.stdout.readline()
    node, executor = make_node('sender')
    answers: list[float] = []
    node.create_subscription(
        ROS_TYPES[Inference], f'/{ROBOT}/inference',
        lambda _: answers.append(time.perf_counter()), publisher_qos(Inference),
    )  # fmt: skip
    sender = OurSender(node, name) if side == 'ours' else BareSender(node, name, side != 'bare')
    topic = f'{FLEET}/feature_packets'
    while not sender.ready or not node.count_subscribers(topic):
        executor.spin_once(timeout_sec=0.05)
    while not answers:  # both have found each other when a frame is answered
        sender.send(node.get_clock().now().nanoseconds)
        start = time.perf_counter()
        while time.perf_counter() - start < PAUSE:
            executor.spin_once(timeout_sec=0.01)
    processes = (psutil.Process(), psutil.Process(receiver.pid))
    used, began = 0.0, 0.0
    for frame in range(WARM_UP + frames):
        if frame == WARM_UP:
            used, began = cpu_seconds(processes), time.perf_counter()
        answers.clear()
        start = time.perf_counter()
        sender.send(node.get_clock().now().nanoseconds)
        while not answers and time.perf_counter() - start < 1.0:
            executor.spin_once(timeout_sec=0.01)
        if not answers:
            raise SystemExit(f'{side}: frame {frame} was not answered')
    result = {
        'cpu': cpu_seconds(processes) - used,
        'seconds': time.perf_counter() - began,
    }
    sender.stop()
    receiver.terminate()
    taken = json.loads(receiver.stdout.readline())
    receiver.wait()
    pairs = zip(sender.times[-frames:], taken[-frames:], strict=True)
    latencies = [end - start for start, end in pairs]
    print(json.dumps({'latencies': latencies, **result}), flush=True)
    os._exit(0)


def cpu_seconds(processes: tuple[psutil.Process, ...]) -> float:
    """Return the processor time that the processes have used, s."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def median_us(function: Callable[[], Any]) -> float:
    """Return the median time of a call, microseconds."""
    times = np.empty(REPEAT)
    for index in range(REPEAT):
        start = time.perf_counter()
        function()
        times[index] = time.perf_counter() - start
    return float(np.median(times) * 1e6)


def measure(name: str, frames: int) -> dict[str, Any]:
    """Return the figures of one size."""
    runs: dict[str, list[dict]] = {side: [] for side in SIDES}
    for turn in range(TURNS * len(SIDES)):  # in turns, so that all see the same machine
        side = SIDES[turn % len(SIDES)]
        env = {**os.environ, 'ROS_DOMAIN_ID': str(private_domain(turn))}
        command = [sys.executable, __file__, '--send', side, name, str(frames // TURNS)]
        done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
        runs[side].append(json.loads(done.stdout.splitlines()[-1]))
    latency = {s: np.concatenate([r['latencies'] for r in runs[s]]) for s in SIDES}
    per_frame = 1e6 / (frames // TURNS)
    cpu = {s: per_frame * float(np.mean([r['cpu'] for r in runs[s]])) for s in SIDES}
    codec, features = make_codec(name)
    payload, ranges = codec.encode(features)
    arrived = np.ones(codec.layout.packets, bool)
    half = arrived.copy()
    half[::2] = False
    result = {
        'encode_us': median_us(partial(codec.encode, features)),
        'decode_us': median_us(partial(codec.decode, payload, arrived, ranges)),
        'decode_half_us': median_us(partial(codec.decode, payload, half, ranges)),
        'copy_us': median_us(features.copy),
        'fps': frames // TURNS / float(np.mean([r['seconds'] for r in runs['ours']])),
        'p50_ms': 1e3 * float(np.quantile(latency['ours'], 0.5)),
        'p99_ms': 1e3 * float(np.quantile(latency['ours'], 0.99)),
        'bare_p50_ms': 1e3 * float(np.quantile(latency['bare'], 0.5)),
        'bare_raw_p50_ms': 1e3 * float(np.quantile(latency['bare_raw'], 0.5)),
        'bare_cpu_us': cpu['bare'],
        'bare_raw_cpu_us': cpu['bare_raw'],
        'cpu_us': cpu['ours'],
    }
    return {'size': name, 'packets': codec.layout.packets,
            **{key: round(value, 3) for key, value in result.items()}}  # fmt: skip


def main() -> None:
    """Print one line per size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--frames', type=int, default=1_500)
    parser.add_argument('--receive', nargs=2, metavar=('SIDE', 'SIZE'))
    parser.add_argument('--send', nargs=3, metavar=('SIDE', 'SIZE', 'FRAMES'))
    arguments = parser.parse_args()
    if arguments.receive:
        receive(*arguments.receive)
    if arguments.send:
        send(arguments.send[0], arguments.send[1], int(arguments.send[2]))
    torch.set_num_threads(1)
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    for name in SIZES:
        print(json.dumps(measure(name, arguments.frames)), flush=True)


if __name__ == '__main__':
    main()
