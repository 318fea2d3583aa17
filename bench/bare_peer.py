"""A bare rclpy program that moves the bytes of a FedAvg round: no checks, no state machines.

`bare_peer.py hub BYTES ROUNDS PEERS` publishes BYTES in chunks to PEERS peers, takes as much back
from each, and prints the seconds of every round as JSON; `bare_peer.py peer BYTES` sends back what
it gets.
"""

from __future__ import annotations

import array
import json
import sys
import time
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from iot_fl_ros.msg import TensorChunk

CHUNK = 512 * 1024
SETTLE = 1.0


def qos(depth: int, *, latched: bool = False, keep_all: bool = False) -> QoSProfile:
    """Return the profile that the fleet uses for the same data."""
    return QoSProfile(
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        history=HistoryPolicy.KEEP_ALL if keep_all else HistoryPolicy.KEEP_LAST,
    )


def chunks(total: int) -> list[TensorChunk]:
    """Return messages that hold `total` bytes."""
    messages = []
    for start in range(0, total, CHUNK):
        message = TensorChunk()
        message.data = array.array('B', bytes(min(CHUNK, total - start)))
        messages.append(message)
    return messages


def peer(executor: SingleThreadedExecutor, node: Node, total: int) -> None:
    """Send back every full set."""
    count = len(chunks(total))
    publisher = node.create_publisher(TensorChunk, '/bare/up', qos(2 * count))
    held: list[TensorChunk] = []

    def arrived(message: TensorChunk) -> None:
        held.append(message)
        if len(held) == count:
            for kept in held:
                publisher.publish(kept)
            held.clear()

    node.create_subscription(
        TensorChunk, '/bare/down', arrived, qos(count, latched=True, keep_all=True)
    )
    executor.spin()


def hub(
    executor: SingleThreadedExecutor, node: Node, total: int, rounds: int, peers: int
) -> list[float]:
    """Return the seconds of each round."""
    messages = chunks(total)
    publisher = node.create_publisher(TensorChunk, '/bare/down', qos(len(messages), latched=True))
    arrived: list[int] = []

    def heard(message: Any) -> None:
        arrived.append(len(message.data))

    node.create_subscription(TensorChunk, '/bare/up', heard, qos(1, keep_all=True))
    while publisher.get_subscription_count() < peers or node.count_publishers('/bare/up') < peers:
        executor.spin_once(timeout_sec=0.1)
    settled = time.monotonic() + SETTLE
    while time.monotonic() < settled:
        executor.spin_once(timeout_sec=0.1)
    seconds = []
    for _ in range(rounds):
        arrived.clear()
        start = time.monotonic()
        for message in messages:
            publisher.publish(message)
        while len(arrived) < len(messages) * peers:
            executor.spin_once(timeout_sec=0.1)
        seconds.append(time.monotonic() - start)
    return seconds


def main() -> None:
    """Run the role that the arguments name."""
    role, total, *rest = sys.argv[1:]
    rclpy.init()
    node = rclpy.create_node(f'bare_{role}')
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    if role == 'hub':
        print(json.dumps(hub(executor, node, int(total), int(rest[0]), int(rest[1]))))
    else:
        peer(executor, node, int(total))


if __name__ == '__main__':
    main()
