"""The processes of a mesh on this machine: started, watched, and read from their files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from iot_fl_ros.core.run_files import read_events, summarize, write_json
from iot_fl_ros.mesh.report import merge_rows
from iot_fl_ros.mesh.settings import MeshRunSettings
from iot_fl_ros.processes.nodes import terminate_as_interrupt
from iot_fl_ros.processes.robots import NewLines, RobotProcesses


class MeshProcesses(RobotProcesses):
    """Peers. settings: with run.output, the folder. options: of RobotProcesses."""

    def __init__(self, settings: Mapping[str, Any], ids: list[str], **options: Any) -> None:
        super().__init__('peer', settings, ids, Path(settings['run.output']), **options)


def run_mesh(
    title: str,
    settings: Mapping[str, Any],
    *,
    console: Console,
    env: Mapping[str, str],
    own: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Run a mesh in processes over DDS; return its summary, which is written to run.output.

    settings: dotted names, with run.output. own: further ones of single peers. IotFlError if a
    process fails.
    """
    settings = {**settings, 'node.exit_when_finished': True}
    peer = MeshRunSettings.from_flat(settings).peer
    folder = Path(settings['run.output'])
    with (
        terminate_as_interrupt(),
        MeshProcesses(settings, peer.mesh.ids, env=env, own=own) as mesh,
    ):
        print_new = NewLines(console)
        for _ in mesh.until_ended(*mesh.ids):
            print_new(_round_lines(title, folder, mesh.ids))
    return summarize_mesh(mesh_rows(folder, mesh.ids), folder)


def mesh_rows(folder: Path, ids: list[str]) -> list[dict[str, Any]]:
    """Return the merged rows of a mesh, read from the files of its peers."""
    return merge_rows({robot_id: read_events(folder / robot_id) for robot_id in ids})


def summarize_mesh(rows: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
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


def _round_lines(title: str, folder: Path, ids: list[str]) -> list[str]:
    """Return one line for each round that all peers have done."""
    lines = []
    for row in mesh_rows(folder, ids):
        if row['kind'] != 'round' or len(row['participants']) < len(ids):
            continue
        apart = row['disagreement']  # not a number where nobody compares
        disagreement = '' if math.isnan(apart) else f'disagreement {apart:.4f}, '
        lines.append(
            f'{title} round {row["round"]}: mean accuracy {row["robot_accuracy"]:.3f}, '
            f'{disagreement}{len(row["late"])} late, '
            f'{row["bytes_total"]:,} bytes and {row["joules_active"]:,.0f} J so far'
        )
    return lines
