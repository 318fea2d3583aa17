"""Check ROS 2, discovery, multicast, shared memory and socket buffers; say how to mend each."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments: none."""


def run(arguments: argparse.Namespace) -> int:
    """Print one line a check; exit code 1 if one failed."""
    # Imported here: with a broken ROS 2 the other verbs must still show their help.
    from iot_fl_ros.ros.checks import all_checks

    table = Table('check', 'result', 'seen', 'remedy')
    good = True
    for check in all_checks():
        finding = check()
        good &= finding.ok
        result = '[green]ok' if finding.ok else '[red]FAILED'
        table.add_row(finding.check, result, finding.seen, '' if finding.ok else finding.remedy)
    Console().print(table)
    return 0 if good else 1
