"""Run a mesh of peers without a server, over DDS on this machine or in memory.

Over DDS it is the same as `ros2 launch iot_fl_ros mesh.launch.py`, where there is no `ros2
launch`. Writes the peers' files, summary.json and a picture into the output folder.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from iot_fl_ros.cli.options import (
    add_network_profile,
    add_robot_models,
    add_run_arguments,
    flat_settings_of,
    own_settings_of,
)
from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.core.run_files import RunWriter
from iot_fl_ros.core.run_folder import refuse_taken
from iot_fl_ros.core.store import FolderStore
from iot_fl_ros.mesh.settings import MeshRunSettings, PeerSettings
from iot_fl_ros.processes.serverless import mesh_rows, run_mesh, summarize_mesh
from iot_fl_ros.reports.run_tables import mesh_table
from iot_fl_ros.ros.network_profile import VARIABLE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_run_arguments(parser)
    parser.add_argument('--memory', action='store_true', help='in one process, in virtual time')
    parser.add_argument('--threads', type=int, default=1, help='with --memory: jobs at a time')
    add_robot_models(parser, 'with --memory: models of the robots, in turn (cmfd, alone)')
    add_network_profile(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the mesh, print its table and draw its picture."""
    from iot_fl_ros.mesh.graph import build_graph
    from iot_fl_ros.reports.serverless_plots import plot_mesh

    console = Console()
    flat = flat_settings_of(arguments)
    count = flat.pop('run.robots')  # there is no server that would wait for them
    if not flat.get('mesh.robots') and flat.get('mesh.graph') != 'file':
        flat.setdefault('mesh.count', count)
    settings = MeshRunSettings.from_flat(flat)
    mesh = settings.peer.mesh
    if mesh.graph == 'discovery':
        raise ConfigError('on one machine everybody hears everybody: use mesh.graph full')
    graph = build_graph(mesh, settings.peer.run.seed)
    name, output = settings.method_name, arguments.output.absolute()
    given = own_settings_of(arguments, sorted(graph))
    own = {
        robot_id: MeshRunSettings.from_flat({**flat, **more}).peer
        for robot_id, more in given.items()
    }
    if arguments.memory:
        rows = _simulate(settings, output, console, arguments, own)
        summary = summarize_mesh(rows, output)
    else:
        flat['mesh.robots'] = sorted(graph)
        env = {VARIABLE: arguments.network_profile}
        summary = run_mesh(name, flat, console=console, env=env, own=given)
        rows = mesh_rows(output, sorted(graph))
    console.print(mesh_table({name: summary}))
    console.print(f'wrote {plot_mesh(graph, {name: rows}, output)}')
    return 0


def _simulate(
    settings: MeshRunSettings, output: Path, console: Console, arguments: argparse.Namespace,
    own: Mapping[str, PeerSettings],
) -> list[dict[str, Any]]:  # fmt: skip
    """Run a mesh in memory; write the peers' files as the nodes would; return the merged rows."""
    import torch

    from iot_fl_ros.memory.mesh import MeshSimulation

    torch.set_num_threads(settings.peer.node.threads)
    writers: dict[str, RunWriter] = {}

    def record(robot_id: str, row: Mapping[str, Any]) -> None:
        if row['kind'] == 'start':
            mine = simulation.settings_of(robot_id).resolved()
            writers[robot_id] = RunWriter(output / robot_id, mine, 0)
        writers[robot_id].record(row)

    simulation = MeshSimulation(
        settings, threads=arguments.threads, crashes=False, models=arguments.robot_models,
        record=record, own=own,
    )  # fmt: skip
    usual, resume = settings.usual().resolved(), settings.peer.run.resume
    for robot_id in simulation.ids:
        mine = simulation.settings_of(robot_id).resolved()
        refuse_taken(output / robot_id, mine, usual, resume)
    for robot_id in simulation.ids:  # it begins anew, also where nodes were before
        FolderStore(output / robot_id / 'checkpoints').clear()
    with console.status(f'{settings.method_name}: {len(simulation.ids)} robots in memory'):
        simulation.start_all()
        return simulation.run()
