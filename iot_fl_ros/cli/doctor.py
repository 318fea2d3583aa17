"""Check ROS 2, network, clock and, if named, a camera; say how to mend each."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Column, Table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument('--camera', metavar='TOPIC', help='also listen to pictures on this topic')
    parser.add_argument(
        '--seconds', type=float, default=5.0, help='how long to listen to the camera'
    )


def run(arguments: argparse.Namespace) -> int:
    """Print one line a check; exit code 1 if one failed that is needed."""
    # Imported here: with a broken ROS 2 the other verbs must still show their help.
    from iot_fl_ros.ros import robot_checks
    from iot_fl_ros.ros.checks import all_checks

    findings = [check() for check in all_checks()]
    findings += [robot_checks.system_clock(), robot_checks.wifi()]
    findings += [robot_checks.packet_size(), robot_checks.discovery_server()]
    if arguments.camera:
        findings.append(robot_checks.camera(arguments.camera, arguments.seconds))
    table = Table('check', 'result', Column('seen', overflow='fold'), 'remedy')
    for finding in findings:
        result = '[yellow]better mend' if finding.advice else '[red]FAILED'
        result, remedy = ('[green]ok', '') if finding.ok else (result, finding.remedy)
        table.add_row(finding.check, result, finding.seen, remedy)
    Console().print(table)
    return 0 if all(finding.ok or finding.advice for finding in findings) else 1
