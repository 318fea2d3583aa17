"""Runs of the fleets of a study, in memory.

Each gives the rows of an events.jsonl whose `round` rows tell accuracy and bytes; those without a
server tell mini-batches (`updates`) and joules too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from iot_fl_ros.core.config import read_settings
from iot_fl_ros.core.names import robot_ids
from iot_fl_ros.memory.federation import Simulation
from iot_fl_ros.memory.mesh import MeshSimulation
from iot_fl_ros.memory.network import RobotUplink
from iot_fl_ros.memory.resources import Resources, ResourceSettings
from iot_fl_ros.memory.token import TramSimulation
from iot_fl_ros.mesh.settings import MeshRunSettings
from iot_fl_ros.studies.fleets import Flat, settings_of
from iot_fl_ros.token.settings import TramNodeSettings


def simulate(
    settings: Flat, robots: int, resources: Flat, models: Sequence[str], seed: int
) -> list[dict[str, Any]]:
    """Run a fleet in memory; return its rows."""
    fleet = settings_of(settings, robots)
    if isinstance(fleet, TramNodeSettings):
        return _tram_rows(fleet)
    if isinstance(fleet, MeshRunSettings):
        return _mesh_rows(fleet, robots, models)
    options: dict[str, Any] = {}
    if resources:
        known = Resources(read_settings(ResourceSettings, resources), robot_ids(robots), seed)
        serial = fleet.aggregator.select.timing == 'serial'
        options['train_seconds'] = known.train_seconds
        options['uplink'] = RobotUplink(known.rate, serial=serial)
    simulation = Simulation(fleet, robots=robots, models=models, crashes=False, **options)
    simulation.start_all()
    simulation.run()
    return [dict(row) for row in simulation.rows]


def _mesh_rows(fleet: MeshRunSettings, robots: int, models: Sequence[str]) -> list[dict[str, Any]]:
    simulation = MeshSimulation(fleet, crashes=False, models=models)
    simulation.start_all()
    rows = simulation.run()
    batches = getattr(fleet.method, 'local_batches', 0)
    for row in rows:
        if row['kind'] == 'round' and batches:
            row['updates'] = row['round'] * robots * batches
    return rows


def _tram_rows(fleet: TramNodeSettings) -> list[dict[str, Any]]:
    """Return a `round` row for each time that a model was tested.

    With several tokens it tells the mean of their last accuracies, and the mini-batches of all.
    """
    simulation = TramSimulation(fleet)
    rows: list[dict[str, Any]] = []
    newest: dict[int, tuple[float, int]] = {}

    def record(row: Mapping[str, Any]) -> None:
        if row['kind'] != 'visit':
            return
        accuracy = row['accuracy']
        if math.isnan(accuracy):
            accuracy = newest.get(row['token'], (math.nan, 0))[0]
        newest[row['token']] = accuracy, row['updates']
        if math.isnan(row['accuracy']) or len(newest) < fleet.tram.tokens:
            return
        so_far = simulation.totals()
        rows.append({
            'kind': 'round', 'round': len(rows) + 1,
            'accuracy': sum(accuracy for accuracy, _ in newest.values()) / len(newest),
            'robot_accuracy': math.nan, 'loss': row['loss'], 'participants': [row['robot']],
            'late': [], 'silent': [], 'refused': [], 'seconds': 0.0, 'time': row['time'],
            'updates': sum(updates for _, updates in newest.values()),
            'bytes_up': so_far['bytes_sent'], 'bytes_total': so_far['bytes'],
            'joules': so_far['joules'], 'joules_active': so_far['joules_active'],
        })  # fmt: skip

    simulation.record = record
    simulation.start_all()
    simulation.run()
    totals = simulation.totals()
    end = {
        'kind': 'end', 'robots': len(fleet.tram.ids), 'bytes_up': totals['bytes_sent'],
        'bytes_down': totals['bytes_received'],
        'bytes_per_robot_round': totals['bytes'] / len(fleet.tram.ids) / max(1, len(rows)),
    }  # fmt: skip
    return [*rows, end]
