"""Play a recorded federation back: audit its results, or change something.

Without a change it is an audit: every global set is computed again from the recorded updates and
compared bit for bit; exit code 1 names the first round, and robot, where that fails. --method,
--set, --without and --deadline ask what would have come out instead.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iot_fl_ros.cli.options import overrides_of, params_file
from iot_fl_ros.core.config import read_yaml
from iot_fl_ros.core.errors import ConfigError, DataError
from iot_fl_ros.core.run_files import write_strict_json
from iot_fl_ros.core.run_folder import check_folder
from iot_fl_ros.federation.settings import FleetSettings
from iot_fl_ros.reports.tables import wide_console

if TYPE_CHECKING:
    from rich.console import Console

    from iot_fl_ros.bag.audit import AuditedRound
    from iot_fl_ros.bag.federation import Federation
    from iot_fl_ros.bag.replay import ReplayWorker
    from iot_fl_ros.bag.what_if import Change

_METHOD = 'method.'
_UNKNOWABLE = (
    'The updates are those that the robots sent. With another global set they would have trained '
    'differently from then on; that cannot be known from the bag.'
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add('--bag', type=Path, required=True, help='recorded with --fleet')
    add('--run-id', default='', help='id of the run; needed if there are several')
    add('--fleet-namespace', default='', help='needed if there are several')
    add('--params', type=Path, help='parameter file of the run, whose data give accuracies')
    add('--method', default='', help='what if: another method')
    text = 'what if: another setting of the method, for example method.aggregation=era'
    add('--set', action='append', default=[], metavar='method.NAME=VALUE', help=text)
    add('--without', nargs='+', default=[], metavar='ROBOT', help='what if: robots left out')
    text = 'what if: rounds had ended after so long, s'
    add('--deadline', type=float, default=math.inf, help=text)
    add('--output', type=Path, help='file for the results, JSON')
    add('--trust', nargs='+', default=[], metavar='MODULE:NAME',
        help='methods and models by dotted path that the bag may name')  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Audit, or compare."""
    import torch

    from iot_fl_ros.bag.replay import ReplayWorker
    from iot_fl_ros.bag.what_if import changed_info, compare
    from iot_fl_ros.reports.run_tables import differences_table

    torch.set_num_threads(1)
    console = wide_console()
    if arguments.output:
        check_folder(arguments.output.parent)
    change = _change(arguments)
    federation = _federation(arguments, console)
    params = params_file(arguments.params) if arguments.params else None
    settings = FleetSettings.from_flat(read_yaml(params)).aggregator if params else None
    worker = ReplayWorker(federation.info, settings, arguments.trust)
    info = federation.info
    console.print(
        f'run {info.run_id}: {info.method}, {info.model}, {len(federation.ended)} of '
        f'{info.rounds} rounds ended, {len(federation.statuses)} robots'
    )
    if change:
        changed = changed_info(info, change)
        other = ReplayWorker(changed, settings, arguments.trust)
        differences = list(compare(federation, worker, other, change))
        console.print(differences_table(differences))
        console.print(_UNKNOWABLE)
        _write(arguments.output, info.run_id, map(asdict, differences))
        return 0
    return _audit(federation, worker, arguments.output, console)


def _audit(
    federation: Federation, worker: ReplayWorker, output: Path | None, console: Console
) -> int:
    from iot_fl_ros.bag.audit import audit

    verdicts: list[AuditedRound] = []
    for verdict in audit(federation, worker):
        verdicts.append(verdict)
        what = f'{len(verdict.accepted)} updates' if verdict.number else 'the initial set'
        text = f'identical, {verdict.digest.hex()[:16]}' if verdict.good else verdict.problem
        console.print(f'round {verdict.number}: {what}: {text}', soft_wrap=True)
    if not verdicts:
        raise DataError('no round of the run ended while it was recorded: nothing to replay')
    _write(output, federation.info.run_id, map(_verdict, verdicts))
    bad = next((verdict for verdict in verdicts if not verdict.good), None)
    if bad is None:
        console.print(
            f'identical: every result of {len(federation.ended)} rounds follows from the '
            'recorded updates, bit for bit'
        )
        return 0
    where = f'{bad.number}, {", ".join(bad.robots)}' if bad.robots else f'{bad.number}'
    text = f'NOT identical: the first round that does not follow is {where}'
    if bad.missing:
        text = f'NOT proved: from round {where} on something is missing in the bag. Start the '
        text += 'recorder before the fleet'
    console.print(text)
    return 1


def _federation(arguments: argparse.Namespace, console: Console) -> Federation:
    """Read the bag; a damaged one as far as it goes, for that is what an audit is about."""
    from iot_fl_ros.bag.federation import read_federation
    from iot_fl_ros.bag.reader import open_bag

    def read(salvage: bool) -> tuple[list[str], Federation]:
        with open_bag(arguments.bag, salvage=salvage) as bag:
            run_id, namespace = arguments.run_id, arguments.fleet_namespace
            return bag.notes, read_federation(bag, run_id, namespace)

    try:
        notes, federation = read(salvage=False)
    except DataError:
        notes, federation = read(salvage=True)
    for note in notes:
        console.print(f'[yellow]{note}')
    for topic, count in federation.unreadable.items():
        console.print(f'[yellow]{topic}: {count} messages cannot be read')
    return federation


def _change(arguments: argparse.Namespace) -> Change:
    from iot_fl_ros.bag.what_if import Change

    flat = overrides_of(arguments.set)
    wrong = [name for name in flat if not name.startswith(_METHOD)]
    if wrong:
        raise ConfigError(
            f'--set {wrong[0]}: only settings of the method can be changed, method.*'
        )
    settings = {name.removeprefix(_METHOD): value for name, value in flat.items()}
    if 'name' in settings:
        raise ConfigError('--set method.name: use --method')
    without = tuple(sorted(set(arguments.without)))
    return Change(arguments.method, settings, without, arguments.deadline)


def _verdict(verdict: AuditedRound) -> dict[str, Any]:
    return {
        'round': verdict.number, 'accepted': list(verdict.accepted),
        'digest': verdict.digest.hex(), 'identical': verdict.good,
        'problem': verdict.problem, 'robots': list(verdict.robots),
    }  # fmt: skip


def _write(path: Path | None, run_id: str, rounds: Iterable[dict[str, Any]]) -> None:
    if path is not None:
        write_strict_json(path, {'run': run_id, 'rounds': list(rounds)})
