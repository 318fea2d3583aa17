"""Fleets that only move data, and their settings: shared by the benchmarks of the network."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from iot_fl_ros.core.run_files import read_events
from iot_fl_ros.processes.federation import FleetProcesses
from iot_fl_ros.ros.network_profile import VARIABLE

HERE = Path(__file__).resolve().parent


def environment(domain: int, profile: str = 'same-host') -> dict[str, str]:
    """Return the environment of the processes of one measurement."""
    return {
        'ROS_DOMAIN_ID': str(domain),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'PYTHONPATH': str(HERE),
        VARIABLE: profile,
    }


def make_data(folder: Path) -> Path:
    """Write a data set of 1x4x4 images and ten classes."""
    path = folder / 'bench.npz'
    x = np.zeros((1200, 4, 4), np.uint8)
    np.savez(path, x=x, y=np.arange(1200) % 10)
    return path


def echo_settings(
    data: Path, model: str, method: Mapping[str, Any], rounds: int, robots: int
) -> dict[str, Any]:
    """Return the settings of a fleet that only moves data."""
    return {
        'run.rounds': rounds,
        'run.settle': 3.0,  # whoever measures has to be there before the first round
        'run.robots': robots,
        'model.name': model,
        'data.private': str(data),
        'data.open': str(data),
        'data.test': str(data),
        'data.private_size': 100,
        'data.open_size': 1000,
        'data.test_size': 10,
        'data.robot_test_size': 10,
        **{f'method.{name}': value for name, value in method.items()},
    }


LABELS: dict[str, Any] = {'name': 'echo:EchoLabels', 'open_samples': 1000, 'packed': False}
WEIGHTS: dict[str, Any] = {'name': 'echo:EchoWeights'}


def run_to_end(
    settings: Mapping[str, Any],
    robots: int,
    folder: Path,
    *,
    env: Mapping[str, str],
    timeout: float,
    robots_per_process: int = 1,
    prefix: Mapping[str, Sequence[str]] | None = None,
) -> list[dict[str, Any]]:
    """Run a fleet in processes; return the rows of its events, of what it did until `timeout` s.

    IotFlError if a process fails.
    """
    output = folder / 'run'
    settings = {**settings, 'run.output': str(output), 'node.exit_when_finished': True}
    fleet = FleetProcesses(
        settings, robots, folder, robots_per_process=robots_per_process, env=env, prefix=prefix
    )
    end = time.monotonic() + timeout
    with fleet:
        while fleet.running('aggregator') and time.monotonic() < end:
            fleet.check()
            time.sleep(0.1)
        fleet.check()
    return read_events(output)
