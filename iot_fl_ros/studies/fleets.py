"""The fleets that a study can run: with an aggregator, a mesh of peers, or Tram-FL.

`method.name` says which. Each gives the rows of an events.jsonl whose `round` rows tell accuracy
and bytes; those without a server tell mini-batches (`updates`) and joules too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from iot_fl_ros.core.config import read_settings
from iot_fl_ros.core.messages.federation import RunInfo
from iot_fl_ros.core.messages.fields import DIGEST_BYTES
from iot_fl_ros.core.names import robot_ids
from iot_fl_ros.federation.settings import FleetSettings, resolved
from iot_fl_ros.memory.federation import Simulation
from iot_fl_ros.memory.mesh import MeshSimulation
from iot_fl_ros.memory.resources import Resources, ResourceSettings
from iot_fl_ros.memory.token import TramSimulation
from iot_fl_ros.memory.uplink import RobotUplink
from iot_fl_ros.mesh.settings import MeshRunSettings
from iot_fl_ros.methods.method import StarMethod
from iot_fl_ros.methods.registry import DEFAULT_METHOD, METHODS
from iot_fl_ros.models.registry import MODELS
from iot_fl_ros.token.settings import TramNodeSettings

TRAM = 'tram'
_METHOD = 'method.name'
# Enough for methods to look at their settings.
_SOME_RUN = RunInfo(
    stamp=0.0, run_id='study', epoch=0, method='none', method_settings='', model='none', seed=0,
    class_names=('a', 'b'), input_shape=(1,), state_size=1, open_set_size=1,
    open_set_digest=bytes(DIGEST_BYTES), rounds=1, heartbeat_period=1.0,
)  # fmt: skip
# Of settings that a section has for all kinds of fleets, those that some have no use for.
_AGGREGATOR_ONLY = ('run.robots',)
_NOT_OF_TRAM = ('run.robots', 'run.rounds', 'run.deadline', _METHOD)
Flat = Mapping[str, Any]


def resolved_settings(settings: Flat, robots: int) -> Any:
    """Return every setting of a run, defaults included; ConfigError for a bad one."""
    fleet = _settings_of(settings, robots)
    if isinstance(fleet, TramNodeSettings):
        return fleet.flat()
    if isinstance(fleet, MeshRunSettings):
        return fleet.resolved()
    return resolved(fleet.aggregator, fleet.method_name, fleet.method)


def check_settings(settings: Flat, robots: int, resources: Flat, models: Sequence[str]) -> None:
    """Raise ConfigError for what would end a run before it begins."""
    read_settings(ResourceSettings, resources)
    fleet = _settings_of(settings, robots)
    if isinstance(fleet, TramNodeSettings):
        names = [fleet.model.name]
    elif isinstance(fleet, MeshRunSettings):
        names = [fleet.peer.model.name]
        METHODS.get(fleet.method_name)(fleet.method, _SOME_RUN)
    else:
        names = [fleet.aggregator.model.name]
        METHODS.get(fleet.method_name)(fleet.method, _SOME_RUN)
    for model in (*names, *models):
        MODELS.get(model)


def simulate(
    settings: Flat, robots: int, resources: Flat, models: Sequence[str], seed: int
) -> list[dict[str, Any]]:
    """Run a fleet in memory; return its rows."""
    fleet = _settings_of(settings, robots)
    if isinstance(fleet, TramNodeSettings):
        return _tram_rows(fleet)
    if isinstance(fleet, MeshRunSettings):
        return _mesh_rows(fleet, robots, models)
    simulation = _with_aggregator(fleet, robots, resources, models, seed)
    simulation.start_all()
    simulation.run()
    return [dict(row) for row in simulation.rows]


def _settings_of(
    settings: Flat, robots: int
) -> FleetSettings | MeshRunSettings | TramNodeSettings:
    name = settings.get(_METHOD)
    if name == TRAM:
        kept = {key: value for key, value in settings.items() if key not in _NOT_OF_TRAM}
        return TramNodeSettings.from_flat({**kept, 'tram.robots': robot_ids(robots)})
    if _is_mesh(settings):
        kept = {key: value for key, value in settings.items() if key not in _AGGREGATOR_ONLY}
        return MeshRunSettings.from_flat({**kept, 'mesh.count': robots})
    return FleetSettings.from_flat(settings)


def _is_mesh(settings: Flat) -> bool:
    """Return whether there is no aggregator: a graph is named, or the method needs none."""
    cls = METHODS.get(str(settings.get(_METHOD, DEFAULT_METHOD)))
    return any(key.startswith('mesh.') for key in settings) or not issubclass(cls, StarMethod)


def _with_aggregator(
    fleet: FleetSettings, robots: int, resources: Flat, models: Sequence[str], seed: int
) -> Simulation:
    if not resources:
        return Simulation(fleet, robots=robots, models=models, crashes=False)
    limits = read_settings(ResourceSettings, resources)
    known = Resources(limits, robot_ids(robots), seed)
    serial = fleet.aggregator.select.timing == 'serial'
    return Simulation(
        fleet, robots=robots, models=models, crashes=False, train_seconds=known.train_seconds,
        uplink=RobotUplink(known.rate, serial=serial),
    )  # fmt: skip


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
        if not math.isnan(row['accuracy']) and len(newest) == fleet.tram.tokens:
            rows.append(_round_row(len(rows) + 1, row, newest, simulation))

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


def _round_row(
    number: int,
    row: Mapping[str, Any],
    newest: Mapping[int, tuple[float, int]],
    simulation: TramSimulation,
) -> dict[str, Any]:
    totals = simulation.totals()
    return {
        'kind': 'round',
        'round': number,
        'accuracy': sum(accuracy for accuracy, _ in newest.values()) / len(newest),
        'robot_accuracy': math.nan,
        'loss': row['loss'],
        'participants': [row['robot']],
        'late': [],
        'silent': [],
        'refused': [],
        'seconds': 0.0,
        'time': row['time'],
        'updates': sum(updates for _, updates in newest.values()),
        'bytes_up': totals['bytes_sent'],
        'bytes_total': totals['bytes'],
        'joules': totals['joules'],
        'joules_active': totals['joules_active'],
    }
