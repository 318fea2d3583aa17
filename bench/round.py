"""Seconds per round without training, beside a bare rclpy program that moves the same bytes.

Prints one JSON line. Ten robots in ten processes, default transports, this machine; median of 20
rounds, of five times as many where a round takes a twentieth of a second. Both sides use the
package's Fast DDS profile.
Usage: bench/round.py [--robots N] [--rounds N] [--sizes 0.05M 1.66M 10M]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import rclpy
from fleets import HERE, LABELS, WEIGHTS, echo_settings, environment, make_data
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import HistoryPolicy

from iot_fl_ros.core.messages.federation import RobotStatus, RoundPlan
from iot_fl_ros.core.names import robot_ids
from iot_fl_ros.processes.federation import FleetProcesses
from iot_fl_ros.processes.nodes import private_domain
from iot_fl_ros.ros.convert import ROS_TYPES, decode
from iot_fl_ros.ros.network_profile import use_network_profile
from iot_fl_ros.ros.topics import subscription_qos

# Model, parameters, and how many times as many rounds: a second of measuring says nothing.
MODELS = {
    '0.05M': ('echo:vector_50k', 50_000, 5),
    '1.66M': ('echo:vector_1660k', 1_660_000, 1),
    '10M': ('echo:vector_10m', 10_000_000, 1),
}
LABEL_ROUNDS = 5
TIMEOUT = 300.0
TRIES = 3
WARM_UP_ROUNDS = 2
MORE_ROUNDS = WARM_UP_ROUNDS + 1  # the last of those measured ends with the one after it


class Listener:
    """Hears the plans and statuses of a fleet; its times are those of arrival."""

    def __init__(self, domain: int) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.node = rclpy.create_node('bench', context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.opened: dict[int, float] = {}
        self.robots: dict[str, float] = {}
        self._listen(RoundPlan, self._plan)
        self._listen(RobotStatus, self._status)

    def _listen(self, cls: type[RoundPlan | RobotStatus], callback: Callable) -> None:
        def take(raw: Any) -> None:
            callback(decode(cls, raw))

        qos = subscription_qos(cls, 5.0)
        qos.history = HistoryPolicy.KEEP_ALL  # two plans may come before this program looks
        self.node.create_subscription(ROS_TYPES[cls], f'/fleet/{cls.TOPIC}', take, qos, raw=True)

    def _plan(self, plan: RoundPlan) -> None:
        # The stamp is the aggregator's; taking it leaves out what this listener is late.
        self.opened.setdefault(plan.round, plan.stamp)

    def _status(self, status: RobotStatus) -> None:
        self.robots.setdefault(status.robot_id, time.monotonic())

    def wait(self, fleet: FleetProcesses, condition: Callable[[], bool]) -> None:
        """Spin until `condition()`; IotFlError if a process of the fleet fails meanwhile."""
        end = time.monotonic() + TIMEOUT
        while not condition():
            fleet.check()
            if time.monotonic() > end:
                raise TimeoutError('the fleet did not get there in time')
            self.executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        """Leave the domain."""
        rclpy.try_shutdown(context=self.context)


def measure_fleet(settings: dict, rounds: int, robots: int) -> tuple[float, float, float]:
    """Return (median seconds per round, MiB and start-up seconds of a robot process).

    Now and then DDS matches this program with the aggregator only after rounds are over: then the
    fleet is started again.
    """
    for number in range(TRIES):
        try:
            return try_fleet(settings, rounds, robots, private_domain(2 * number))
        except TimeoutError as error:
            print(f'try {number + 1} of {TRIES}: {error}', file=sys.stderr, flush=True)
    raise SystemExit(f'bench: none of {TRIES} fleets could be measured')


def try_fleet(settings: dict, rounds: int, robots: int, domain: int) -> tuple[float, float, float]:
    """Measure one fleet; TimeoutError if its rounds were not seen."""
    listener = Listener(domain)
    with tempfile.TemporaryDirectory() as folder:
        fleet = FleetProcesses(settings, robots, Path(folder), env=environment(domain))
        ids = robot_ids(robots)
        try:
            # One robot alone first: start-up without others beside it.
            start = time.monotonic()
            fleet.start_robots(ids[0])
            listener.wait(fleet, lambda: ids[0] in listener.robots)
            start_seconds = listener.robots[ids[0]] - start
            for robot_id in ids[1:]:
                fleet.start_robots(robot_id)
            listener.wait(fleet, lambda: len(listener.robots) == robots)
            fleet.start_aggregator()
            listener.wait(fleet, lambda: max(listener.opened, default=0) > rounds + WARM_UP_ROUNDS)
            resident = [psutil.Process(fleet.pid(i)).memory_info().rss for i in ids]
        finally:
            fleet.__exit__(None, None, None)
            listener.close()
    times = [at for round_, at in sorted(listener.opened.items()) if round_ > WARM_UP_ROUNDS]
    seconds = [b - a for a, b in pairwise(times)][:rounds]
    if len(seconds) < rounds:
        raise TimeoutError(f'{len(seconds)} of {rounds} rounds were seen')
    return statistics.median(seconds), statistics.mean(resident) / 2**20, start_seconds


def measure_bare(total: int, rounds: int, robots: int, domain: int) -> float:
    """Return the median seconds per round of the bare program."""
    program = [sys.executable, str(HERE / 'bare_peer.py')]
    env = {**os.environ, **environment(domain)}
    peers = [
        subprocess.Popen([*program, 'peer', str(total)], env=env, stderr=subprocess.DEVNULL)
        for _ in range(robots)
    ]
    try:
        hub = subprocess.run(
            [*program, 'hub', str(total), str(rounds + WARM_UP_ROUNDS), str(robots)],
            env=env, capture_output=True, text=True, timeout=TIMEOUT, check=True,
        )  # fmt: skip
    finally:
        for process in peers:
            process.send_signal(signal.SIGKILL)
            process.wait()
    return statistics.median(json.loads(hub.stdout)[WARM_UP_ROUNDS:])


def main() -> None:
    """Measure everything and print one JSON line; progress goes to stderr."""
    parser = argparse.ArgumentParser(description=__doc__)
    # So that the processes of the fleet are ended also when this one is.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    parser.add_argument('--robots', type=int, default=10)
    parser.add_argument('--rounds', type=int, default=20)
    parser.add_argument('--sizes', nargs='+', choices=list(MODELS), default=list(MODELS))
    arguments = parser.parse_args()
    use_network_profile()  # for the bare program too: the same bytes the same way
    result: dict = {'fedavg_s': {}, 'bare_s': {}, 'ratio': {}}
    robots = arguments.robots
    with tempfile.TemporaryDirectory() as folder:
        data = make_data(Path(folder))
        for size in arguments.sizes:
            model, parameters, times = MODELS[size]
            rounds = times * arguments.rounds
            settings = echo_settings(data, model, WEIGHTS, rounds + MORE_ROUNDS, robots)
            ours, _, _ = measure_fleet(settings, rounds, robots)
            bare = measure_bare(4 * parameters, rounds, robots, private_domain(1))
            result['fedavg_s'][size], result['bare_s'][size] = round(ours, 4), round(bare, 4)
            result['ratio'][size] = round(ours / bare, 2)
            print(f'{size}: fleet {ours:.3f} s, bare {bare:.3f} s', file=sys.stderr, flush=True)
        rounds = LABEL_ROUNDS * arguments.rounds
        labels = echo_settings(data, 'small_cnn', LABELS, rounds + MORE_ROUNDS, robots)
        seconds, mib, start = measure_fleet(labels, rounds, robots)
    result |= {
        'dsfl_s': round(seconds, 4),
        'robot_mib': round(mib, 1),
        'robot_start_s': round(start, 2),
    }
    print(json.dumps(result))


if __name__ == '__main__':
    main()
