"""Sixty robots on one machine over DDS: discovery, rounds and memory, by network profile.

Robots share processes, nobody trains; DS-FL labels of 1,000 samples. Prints one JSON line: for
each profile, seconds from the start of the first process until the aggregator opens round 1 with
all robots, median seconds of a round, and MiB of all processes (proportional set size).
Usage: bench/discovery.py [--robots N] [--robots-per-process N] [--profiles same-host ...]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from fleets import LABELS, echo_settings, environment, make_data

from iot_fl_ros.core.run_files import read_events
from iot_fl_ros.processes.discovery_server import discovery_server
from iot_fl_ros.processes.federation import FleetProcesses
from iot_fl_ros.processes.nodes import private_domain
from iot_fl_ros.ros.network_profile import DISCOVERY_SERVER

TIMEOUT = 300.0


def measure(profile: str, robots: int, robots_per_process: int, rounds: int) -> dict[str, Any]:
    """Run one fleet to its end."""
    with tempfile.TemporaryDirectory() as name, discovery_server(profile):
        folder = Path(name)
        settings = echo_settings(make_data(folder), 'small_cnn', LABELS, rounds, robots) | {
            'run.output': str(folder / 'run'),
            'run.start_timeout': TIMEOUT,
            'run.deadline': TIMEOUT,
            'run.lease': 30.0,
            'node.exit_when_finished': True,
        }
        env = environment(private_domain(), profile)
        if DISCOVERY_SERVER in os.environ:
            env[DISCOVERY_SERVER] = os.environ[DISCOVERY_SERVER]
        fleet = FleetProcesses(
            settings, robots, folder, robots_per_process=robots_per_process, env=env
        )
        start = time.monotonic()
        with fleet:
            all_in = _wait(folder, fleet, start, 'open') - start
            mib = _mib(fleet)
            _wait(folder, fleet, start, 'end')
        rows = [row for row in read_events(folder / 'run') if row['kind'] == 'round']
    asked = [len(row['participants']) for row in rows]
    return {
        'all_in_s': round(all_in, 2),
        'round_s': round(statistics.median(row['seconds'] for row in rows), 3),
        'mib': round(mib),
        'processes': -(-robots // robots_per_process) + 1,
        'fewest_robots_in_a_round': min(asked),
    }


def _wait(folder: Path, fleet: FleetProcesses, start: float, kind: str) -> float:
    """Return the time at which a row of that kind is there."""
    while not any(row['kind'] == kind for row in read_events(folder / 'run')):
        fleet.check()
        if time.monotonic() - start > 2 * TIMEOUT:
            raise SystemExit(f'bench: no {kind!r} in time:\n{fleet.tail("aggregator")}')
        time.sleep(0.05)
    return time.monotonic()


def _mib(fleet: FleetProcesses) -> float:
    pids = [fleet.pid(name) for name in fleet.codes()]
    return sum(psutil.Process(pid).memory_full_info().pss for pid in pids) / 2**20


def main() -> None:
    """Measure everything and print one JSON line; progress goes to stderr."""
    parser = argparse.ArgumentParser(description=__doc__)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    parser.add_argument('--robots', type=int, default=60)
    parser.add_argument('--robots-per-process', type=int, default=10)
    parser.add_argument('--rounds', type=int, default=10)
    parser.add_argument('--profiles', nargs='+', default=['same-host', 'discovery-server'])
    arguments = parser.parse_args()
    result = {}
    for profile in arguments.profiles:
        figures = measure(
            profile, arguments.robots, arguments.robots_per_process, arguments.rounds
        )
        print(profile, figures, file=sys.stderr, flush=True)
        result[profile] = figures
    print(json.dumps(result))


if __name__ == '__main__':
    main()
