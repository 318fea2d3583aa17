"""Fleets without a server, a mesh or Tram-FL: their processes, and what their files say."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from iot_fl_ros.core.run_files import NewRows, read_events, summarize, write_json
from iot_fl_ros.core.run_folder import refuse_taken
from iot_fl_ros.mesh.report import merge_rows
from iot_fl_ros.mesh.settings import MeshRunSettings
from iot_fl_ros.processes.nodes import NewLines, RobotProcesses, terminate_as_interrupt
from iot_fl_ros.token.settings import TramNodeSettings

Rows = list[dict[str, Any]]


class MeshProcesses(RobotProcesses):
    """Peers. settings: with run.output, the folder. options: of RobotProcesses."""

    def __init__(self, settings: Mapping[str, Any], ids: list[str], **options: Any) -> None:
        super().__init__('peer', settings, ids, Path(settings['run.output']), **options)


def run_mesh(
    title: str, settings: Mapping[str, Any], *, console: Console, env: Mapping[str, str],
    own: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Run a mesh in processes over DDS; return its summary, which is written to run.output.

    settings: dotted names, with run.output. own: further ones of single peers. IotFlError if a
    process fails.
    """
    settings = {**settings, 'node.exit_when_finished': True}
    peer = MeshRunSettings.from_flat(settings).peer
    folder, ids = Path(settings['run.output']), peer.mesh.ids
    for robot_id in ids:
        given = {name: _plain(value) for name, value in (own or {}).get(robot_id, {}).items()}
        mine = MeshRunSettings.from_flat({**settings, **given}).of_robot(robot_id)
        refuse_taken(
            folder / robot_id, mine.resolved(), mine.usual().resolved(), mine.peer.run.resume
        )
    new = _new_rows(folder, ids)
    fleet = MeshProcesses(settings, ids, env=env, own=own)
    _watch(fleet, console, lambda: _round_lines(title, new))
    return summarize_mesh(mesh_rows(folder, ids), folder)


def _plain(value: Any) -> Any:
    """Return a value as a parameter file has it."""
    return str(value) if isinstance(value, Path) else value


def mesh_rows(folder: Path, ids: list[str]) -> Rows:
    """Return the merged rows of a mesh, read from the files of its peers."""
    return merge_rows({robot_id: read_events(folder / robot_id) for robot_id in ids})


def summarize_mesh(rows: Rows, folder: Path) -> dict[str, Any]:
    """Return the summary of a mesh, and write it into `folder`."""
    rounds = [row for row in rows if row['kind'] == 'round']
    last: dict[str, Any] = rounds[-1] if rounds else {}
    measured = last.get('disagreement', math.nan)
    summary = {
        **summarize(rows),
        'accuracies': last.get('accuracies', {}),
        'disagreement': None if math.isnan(measured) else measured,
        'joules': rows[-1]['joules'],
        'joules_active': rows[-1]['joules_active'],
    }
    write_json(folder / 'summary.json', summary)
    return summary


def _new_rows(folder: Path, ids: Sequence[str]) -> dict[str, NewRows]:
    """Return the rows of each robot once it has begun: not those of an earlier start."""
    return {robot_id: NewRows(folder / robot_id, 0) for robot_id in ids}


def _round_lines(title: str, new: Mapping[str, NewRows]) -> list[str]:
    """Return one line for each round that all peers have done since they began or went on."""
    rows = {robot_id: one.read() for robot_id, one in new.items()}
    begun = [row['round'] for own in rows.values() for row in own if row['kind'] == 'start']
    after = max(begun, default=0)
    lines = []
    for row in merge_rows(rows):
        if row['kind'] != 'round' or len(row['participants']) < len(rows):
            continue
        if row['round'] <= after:
            continue
        apart = row['disagreement']  # not a number where nobody compares
        disagreement = '' if math.isnan(apart) else f'disagreement {apart:.4f}, '
        lines.append(
            f'{title} round {row["round"]}: mean accuracy {row["robot_accuracy"]:.3f}, '
            f'{disagreement}{len(row["late"])} late, '
            f'{row["bytes_total"]:,} bytes and {row["joules_active"]:,.0f} J so far'
        )
    return lines


class TramProcesses(RobotProcesses):
    """Robots that pass tokens on. settings: with run.output. options: of RobotProcesses."""

    def __init__(self, settings: Mapping[str, Any], **options: Any) -> None:
        ids = TramNodeSettings.from_flat(settings).tram.ids
        super().__init__('tram', settings, ids, Path(settings['run.output']), **options)


def run_tram(
    title: str, settings: Mapping[str, Any], *, console: Console, env: Mapping[str, str]
) -> Rows:
    """Run a fleet in processes over DDS; return the rows of all robots, oldest first.

    settings: dotted names, with run.output. IotFlError if a process fails.
    """
    settings = {**settings, 'node.exit_when_finished': True}
    folder, tram = Path(settings['run.output']), TramNodeSettings.from_flat(settings)
    for robot_id in tram.tram.ids:
        mine = replace(tram, data=tram.data.of_robot(robot_id)).flat()
        refuse_taken(folder / robot_id, mine, TramNodeSettings().flat(), resume=True)
    fleet = TramProcesses(settings, env=env)
    old = len(_test_lines(title, tram_rows(folder, fleet.ids)))
    _watch(fleet, console, lambda: _test_lines(title, tram_rows(folder, fleet.ids))[old:])
    return tram_rows(folder, fleet.ids)


def _watch(fleet: RobotProcesses, console: Console, lines: Callable[[], list[str]]) -> None:
    """Run a fleet until all its robots have ended; print what `lines` has new."""
    with terminate_as_interrupt(), fleet:
        print_new = NewLines(console)
        for _ in fleet.until_ended(*fleet.ids):
            print_new(lines())


def tram_rows(folder: Path, ids: Sequence[str]) -> Rows:
    """Return the rows of all robots, read from their files, oldest first."""
    rows = [row for robot_id in ids for row in read_events(folder / robot_id)]
    return sorted(rows, key=lambda row: row['time'])


def summarize_tram(rows: Rows, folder: Path) -> dict[str, Any]:
    """Return the summary of a run from its rows, and write it into `folder`."""
    visits = [row for row in rows if row['kind'] == 'visit']
    totals = [row for row in rows if row['kind'] == 'totals']
    tested = [row['accuracy'] for row in visits if not math.isnan(row['accuracy'])]
    joules = {
        name: sum(row['joules'][name] for row in totals)
        for name in ('idle', 'compute', 'transmit', 'receive')
    }
    summary = {
        'accuracy': max(tested, default=None),
        'final_accuracy': tested[-1] if tested else None,
        'updates': sum(row['batches'] for row in visits),
        'visits': len(visits),
        'hops': sum(row['hop'] for row in visits),
        'merged': sum(row['kind'] == 'merged' for row in rows),
        'robots': len(totals),
        'bytes': sum(row['bytes_sent'] + row['bytes_received'] for row in totals),
        'train_seconds': sum(row['train_seconds'] for row in totals),
        'seconds': rows[-1]['time'] - rows[0]['time'] if rows else 0.0,
        'joules': joules,
        'joules_active': sum(value for name, value in joules.items() if name != 'idle'),
    }
    write_json(folder / 'summary.json', summary)
    return summary


def _test_lines(title: str, rows: Rows) -> list[str]:
    """Return one line for each test of a model."""
    return [
        f'{title}, token {row["token"]} at {row["robot"]}: {row["updates"]} mini-batches, '
        f'cycle {row["cycle"]}, accuracy {row["accuracy"]:.3f}'
        for row in rows
        if row['kind'] == 'visit' and not math.isnan(row['accuracy'])
    ]
