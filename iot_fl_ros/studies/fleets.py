"""Settings of the fleets that a study can run: with an aggregator, a mesh of peers, or Tram-FL.

`method.name` says which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from iot_fl_ros.core.config import read_settings
from iot_fl_ros.core.messages.federation import RunInfo
from iot_fl_ros.core.messages.fields import DIGEST_BYTES
from iot_fl_ros.core.names import robot_ids
from iot_fl_ros.federation.settings import FleetSettings, resolved
from iot_fl_ros.memory.resources import ResourceSettings
from iot_fl_ros.mesh.settings import MeshRunSettings
from iot_fl_ros.methods.method import StarMethod
from iot_fl_ros.methods.registry import DEFAULT_METHOD, METHODS
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
    fleet = settings_of(settings, robots)
    if isinstance(fleet, TramNodeSettings):
        return fleet.flat()
    if isinstance(fleet, MeshRunSettings):
        return fleet.resolved()
    return resolved(fleet.aggregator, fleet.method_name, fleet.method)


def check_settings(settings: Flat, robots: int, resources: Flat, models: Sequence[str]) -> None:
    """Raise ConfigError for what would end a run before it begins."""
    read_settings(ResourceSettings, resources)
    from iot_fl_ros.models.registry import MODELS

    fleet = settings_of(settings, robots)
    if isinstance(fleet, TramNodeSettings):
        name = fleet.model.name
    else:
        node = fleet.peer if isinstance(fleet, MeshRunSettings) else fleet.aggregator
        name = node.model.name
        METHODS.get(fleet.method_name)(fleet.method, _SOME_RUN)
    for model in (name, *models):
        MODELS.get(model)


def settings_of(settings: Flat, robots: int) -> FleetSettings | MeshRunSettings | TramNodeSettings:
    """Return the settings of the kind of fleet that `method.name` asks for."""
    name = settings.get(_METHOD)
    if name == TRAM:
        kept = {key: value for key, value in settings.items() if key not in _NOT_OF_TRAM}
        return TramNodeSettings.from_flat({**kept, 'tram.robots': robot_ids(robots)})
    cls = METHODS.get(str(settings.get(_METHOD, DEFAULT_METHOD)))
    # No aggregator: a graph is named, or the method needs none.
    if any(key.startswith('mesh.') for key in settings) or not issubclass(cls, StarMethod):
        kept = {key: value for key, value in settings.items() if key not in _AGGREGATOR_ONLY}
        return MeshRunSettings.from_flat({**kept, 'mesh.count': robots})
    return FleetSettings.from_flat(settings)
