"""The processes of a mesh on this machine: started, watched, and read from their files."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from iot_fl_ros.core.run_files import read_events, summarize, write_json
from iot_fl_ros.mesh.report import merge_rows
from iot_fl_ros.mesh.settings import MeshRunSettings
from iot_fl_ros.processes.nodes import NodeProcesses, parameter_arguments, terminate_as_interrupt

_POLL = 0.25


class MeshProcesses(NodeProcesses):
    """Peers, each in a process of its own.

    settings: dotted names for all of them, with run.output, which takes logs and params.yaml too.
    own: further settings of single peers.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        ids: list[str],
        *,
        env: Mapping[str, str] | None = None,
        own: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        folder = Path(settings['run.output'])
        super().__init__(folder, env=env)
        self.ids = ids
        self._own = own or {}
        self._params = folder / 'params.yaml'
        tree = {'/**': {'ros__parameters': dict(settings)}}
        self._params.write_text(yaml.safe_dump(tree))

    def __enter__(self) -> MeshProcesses:
        for robot_id in self.ids:
            self.start_peer(robot_id)
        return self

    def start_peer(self, robot_id: str) -> None:
        """Start a peer (again)."""
        index = self.ids.index(robot_id)
        arguments = ['--params-file', str(self._params), '-r', f'__ns:=/{robot_id}']
        arguments += ['-p', f'data.partition_index:={index}']
        arguments += ['-p', f'data.partition_count:={len(self.ids)}']
        arguments += parameter_arguments(self._own.get(robot_id, {}))
        self.start('peer', arguments, robot_id)


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
        printed = 0
        for _ in _until_end(mesh):
            printed = _print_new_rounds(console, title, folder, mesh.ids, printed)
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


def _until_end(mesh: MeshProcesses) -> Iterator[None]:
    """Yield until all peers have ended; raise if one failed."""
    while any(mesh.running(robot_id) for robot_id in mesh.ids):
        yield
        mesh.check()
        time.sleep(_POLL)
    mesh.check()
    yield


def _print_new_rounds(
    console: Console, title: str, folder: Path, ids: list[str], printed: int
) -> int:
    """Print one line for each round that all peers have done since."""
    rows = [row for row in mesh_rows(folder, ids) if row['kind'] == 'round']
    done = [row for row in rows if len(row['participants']) == len(ids)]
    for row in done[printed:]:
        apart = row['disagreement']  # not a number where nobody compares
        disagreement = '' if math.isnan(apart) else f'disagreement {apart:.4f}, '
        console.print(
            f'{title} round {row["round"]}: mean accuracy {row["robot_accuracy"]:.3f}, '
            f'{disagreement}{len(row["late"])} late, '
            f'{row["bytes_total"]:,} bytes and {row["joules_active"]:,.0f} J so far'
        )
    return max(printed, len(done))
