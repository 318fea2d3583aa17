"""Run a fleet over DDS on this machine: an aggregator and robots in processes.

The same as `ros2 launch iot_fl_ros fleet.launch.py`, where there is no `ros2 launch`. Uses the
ROS_DOMAIN_ID and discovery settings of the environment, so that robots elsewhere can join.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from iot_fl_ros.cli.options import (
    add_network_profile,
    add_run_arguments,
    check_quorum,
    flat_settings_of,
    own_settings_of,
)
from iot_fl_ros.core.names import robot_ids
from iot_fl_ros.federation.settings import FleetSettings
from iot_fl_ros.processes.discovery_server import discovery_server
from iot_fl_ros.processes.federation import run_fleet
from iot_fl_ros.reports.run_tables import summary_table
from iot_fl_ros.ros.network_profile import VARIABLE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_run_arguments(parser)
    add_network_profile(parser)
    parser.add_argument('--robots-per-process', type=int, default=1, help='robots in one process')
    parser.add_argument('--record', type=Path, help='folder of a bag for all messages of the run')


def run(arguments: argparse.Namespace) -> int:
    """Run the fleet, print its table and draw its plots."""
    from iot_fl_ros.reports.run_plots import plot_runs

    flat = flat_settings_of(arguments)
    settings = FleetSettings.from_flat(flat)
    check_quorum(settings, arguments.robots)
    flat['run.rounds'] = settings.aggregator.run.rounds
    name = settings.method_name
    with discovery_server(arguments.network_profile):
        summary = run_fleet(
            name, flat, arguments.robots, robots_per_process=arguments.robots_per_process,
            env={VARIABLE: arguments.network_profile}, record=arguments.record,
            own=own_settings_of(arguments, robot_ids(arguments.robots)),
        )  # fmt: skip
    Console().print(summary_table({name: summary}))
    plot_runs({name: arguments.output}, arguments.output)
    return 0
