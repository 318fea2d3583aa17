"""The demo of a mesh: ten robots learn from their neighbours, without a server.

Each robot has two kinds of clothes, and a process of its own; they meet over DDS. CMFD, gossip
and learning alone run on the same graph. Writes summary.json and a picture into the output folder.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from rich.console import Console

from iot_fl_ros.core.config import read_yaml
from iot_fl_ros.core.run_files import write_json
from iot_fl_ros.core.run_folder import own
from iot_fl_ros.data.fashion_mnist import obtain
from iot_fl_ros.mesh.settings import GRAPHS, MeshRunSettings
from iot_fl_ros.processes.nodes import private_dds_env
from iot_fl_ros.processes.serverless import mesh_rows, run_mesh
from iot_fl_ros.reports.run_tables import mesh_table
from iot_fl_ros.ros.share import share_folder

METHODS = ('cmfd', 'gossip', 'alone')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add('--output', type=Path, default=Path('runs/mesh'), help='folder for results')
    add('--rounds', type=int, help='rounds of each method')
    add('--robots', type=int, default=10, help='number of robots')
    known = [name for name in GRAPHS if name not in ('file', 'discovery')]
    add('--graph', choices=known, help='shape of the mesh')


def run(arguments: argparse.Namespace) -> int:
    """Run all methods on one graph, compare them and say where the results are."""
    from iot_fl_ros.mesh.graph import build_graph, mixing_matrix, spectral_gap
    from iot_fl_ros.reports.serverless_plots import plot_mesh

    console = Console()
    own(arguments.output)
    with console.status('getting Fashion-MNIST'):
        obtain()
    config = share_folder() / 'config'
    base = {**read_yaml(config / 'mesh.yaml'), 'mesh.count': arguments.robots}
    if arguments.rounds:
        base['run.rounds'] = arguments.rounds
    if arguments.graph:
        base['mesh.graph'] = arguments.graph
    peer = MeshRunSettings.from_flat(base).peer
    graph = build_graph(peer.mesh, peer.run.seed)
    gap = spectral_gap(mixing_matrix(graph, peer.mesh.weights))
    console.print(
        f'{len(graph)} robots, {graph.number_of_edges()} links ({peer.mesh.graph}); an exchange '
        f'leaves at most {1 - gap:.0%} of a disagreement'
    )
    output = arguments.output.absolute()
    rows, summaries = {}, {}
    for name in METHODS:
        folder = output / name
        shutil.rmtree(folder, ignore_errors=True)
        settings = {
            **base,
            **read_yaml(config / f'{name}.yaml'),
            'run.name': f'mesh-{name}',
            'run.output': str(folder),
        }
        summaries[name] = run_mesh(name, settings, console=console, env=private_dds_env())
        rows[name] = mesh_rows(folder, peer.mesh.ids)
    summary = {
        'methods': summaries,
        'graph': {'name': peer.mesh.graph, 'edges': sorted(map(sorted, graph.edges))},
        'spectral_gap': gap,
    }
    write_json(output / 'summary.json', summary)
    console.print(mesh_table(summaries))
    console.print(
        'The robots share the cores of this machine: on cores of their own, seconds and joules '
        'are fewer.'
    )
    for path in (output / 'summary.json', plot_mesh(graph, rows, output)):
        console.print(f'wrote {path}')
    return 0
