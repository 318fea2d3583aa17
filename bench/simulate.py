"""Robots per second of the fleet in memory, and Flower's simulation of the same work beside it.

One robot = one local epoch of 200 samples of small_cnn (55,338 parameters), batches of 50, and its
share of a FedAvg round: weights down, training, weights up, mean. Prints one JSON line: robots per
second over whole rounds (without the first, in which everything starts) and peak MiB of all
processes, at each size; with --flower-python, Flower's too and the ratio, both as its quickstart
does it and tuned (see flower_peer.py). Flower lives in an environment of its own:
`pip install "flwr[simulation]" torch` in a venv, then
`bench/simulate.py --flower-python VENV/bin/python`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil

HERE = Path(__file__).resolve().parent
SAMPLES = 200
BATCH = 50
LEARNING_RATE = 0.05


class PeakMemory:
    """Watches the memory of a process and its children: proportional set size, MiB."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.mib = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(0.5):
            total = 0
            try:
                root = psutil.Process(self._pid)
                for process in [root, *root.children(recursive=True)]:
                    total += process.memory_full_info().pss
            except psutil.NoSuchProcess:
                continue
            self.mib = max(self.mib, total / 2**20)

    def end(self) -> float:
        """Stop watching; return the peak."""
        self._stop.set()
        self._thread.join()
        return self.mib


def make_data(folder: Path, robots: int) -> Path:
    """Write random images, 200 for each robot and 500 to test on."""
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for split, size in (('train', SAMPLES * robots), ('test', 500)):
        arrays[f'x_{split}'] = rng.integers(0, 256, (size, 1, 28, 28), dtype=np.uint8)
        arrays[f'y_{split}'] = np.arange(size) % 10
    path = folder / 'images.npz'
    np.savez(path, **arrays)
    return path


def ours(path: Path, robots: int, rounds: int, threads: int) -> None:
    """Run the fleet in memory; print seconds of every round as JSON."""
    import torch

    from iot_fl_ros.federation.settings import FleetSettings
    from iot_fl_ros.memory.federation import Simulation

    torch.set_num_threads(1)
    settings = FleetSettings.from_flat(
        {
            'method.name': 'fedavg',
            'method.batch_size': BATCH,
            'method.learning_rate': LEARNING_RATE,
            'model.name': 'small_cnn',
            'run.rounds': rounds,
            'run.robots': robots,
            'data.private': str(path),
            'data.open': '',
            'data.test': str(path),
            'data.private_size': SAMPLES * robots,
            'data.partition': 'iid',
            'data.test_size': 500,
            'data.robot_test_size': 1,
        }
    )
    ends: list[float] = []

    def record(row: Any) -> None:
        if row['kind'] == 'round':
            ends.append(time.perf_counter())

    simulation = Simulation(settings, robots=robots, threads=threads, crashes=False, record=record)
    simulation.start_all()
    simulation.run()
    print(json.dumps([b - a for a, b in pairwise(ends)]))


def measure(command: Sequence[str], robots: int) -> dict[str, float]:
    """Run a program that prints seconds of rounds; return robots per second and peak MiB."""
    with tempfile.TemporaryFile('w+') as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        peak = PeakMemory(process.pid)
        out, _ = process.communicate()
        mib = peak.end()
        if process.returncode:
            errors.seek(0)
            raise SystemExit(f'{command[:2]} failed:\n{errors.read()[-3000:]}')
    rounds = json.loads(out.strip().splitlines()[-1])
    return {'robots_s': round(robots * len(rounds) / sum(rounds), 1), 'peak_mib': round(mib)}


def main() -> None:
    """Measure everything and print one JSON line; progress goes to stderr."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--robots', nargs='+', type=int, default=[10, 100, 1000])
    parser.add_argument('--rounds', type=int, default=4)
    parser.add_argument('--threads', type=int, default=os.cpu_count() or 1)
    parser.add_argument('--flower-python', help='Python of the environment that has Flower')
    parser.add_argument('--child', type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        ours(arguments.child, arguments.robots[0], arguments.rounds, arguments.threads)
        return
    result: dict[str, Any] = {'threads': arguments.threads}
    rounds = str(arguments.rounds)
    for robots in arguments.robots:
        with tempfile.TemporaryDirectory() as folder:
            path = make_data(Path(folder), robots)
            common = ['--robots', str(robots), '--rounds', rounds]
            threads = ['--threads', str(arguments.threads)]
            here = [sys.executable, __file__, '--child', str(path), *common, *threads]
            figures: dict[str, Any] = {'ours': measure(here, robots)}
            if arguments.flower_python:
                flower = [arguments.flower_python, str(HERE / 'flower_peer.py'), str(path)]
                for name, options in (('flower', []), ('flower_tuned', ['--tuned'])):
                    figures[name] = measure([*flower, *common, *threads, *options], robots)
                    ratio = figures['ours']['robots_s'] / figures[name]['robots_s']
                    figures[name]['ratio'] = round(ratio, 2)
        print(robots, figures, file=sys.stderr, flush=True)
        result[str(robots)] = figures
    print(json.dumps(result))


if __name__ == '__main__':
    main()
