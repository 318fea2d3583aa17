"""Settings of a run and of its two kinds of participants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from iot_fl_ros.core.config import read_settings, refuse_unknown, setting, settings_of
from iot_fl_ros.data.settings import DataSettings
from iot_fl_ros.federation.selection.settings import SelectSettings
from iot_fl_ros.methods.registry import method_settings
from iot_fl_ros.training.settings import ModelSettings, NodeSettings, RobotSettings, RunBasics


@dataclass(frozen=True)
class RunSettings(RunBasics):
    """Settings of a run, decided by the aggregator."""

    rounds: int = setting(10, 'Number of rounds.', minimum=1)
    robots: int = setting(1, 'Robots to wait for before the first round.', minimum=1)
    quorum: int = setting(
        0, 'Updates (k of n) that close a round early; 0 = all participants.', minimum=0
    )
    deadline: float = setting(
        120.0, 'Time after which a round closes without the rest, s.', minimum=0.01
    )
    settle: float = setting(
        0.0,
        'Delay after the last awaited robot joins, s: gives DDS time to discover; until then a '
        'recorder misses messages.',
        minimum=0.0,
    )
    resume: bool = setting(True, 'Continue from the checkpoint in `output` if there is one.')


@dataclass(frozen=True)
class RobotModelSettings:
    """The model that a robot trains."""

    name: str = setting('', 'Model registry name or `module:factory`; empty = that of the run.')


@dataclass(frozen=True)
class AggregatorSettings:
    """Settings of the aggregator, besides `method.*`."""

    run: RunSettings = field(default_factory=RunSettings)
    select: SelectSettings = field(default_factory=SelectSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    data: DataSettings = field(default_factory=DataSettings)
    node: NodeSettings = field(default_factory=NodeSettings)


@dataclass(frozen=True)
class LearnerSettings:
    """Settings of a learner; method and run come from the aggregator."""

    robot: RobotSettings = field(default_factory=RobotSettings)
    model: RobotModelSettings = field(default_factory=RobotModelSettings)
    data: DataSettings = field(default_factory=DataSettings)
    node: NodeSettings = field(default_factory=NodeSettings)


@dataclass(frozen=True)
class FleetSettings:
    """Everything that one parameter file can say to a whole fleet."""

    aggregator: AggregatorSettings
    learner: LearnerSettings
    method_name: str
    method: Any

    @classmethod
    def from_flat(cls, flat: Mapping[str, Any]) -> FleetSettings:
        """Read dotted names; ConfigError for an unknown name or a bad value."""
        method = {k.removeprefix('method.'): v for k, v in flat.items() if k.startswith('method.')}
        name, settings = method_settings(method)
        refuse_unknown(flat, {*fleet_setting_names(), *(f'method.{key}' for key in method)})
        learner = {k: v for k, v in flat.items() if k != 'model.name'}
        robots = read_settings(LearnerSettings, learner, known=learner)
        return cls(read_settings(AggregatorSettings, flat, known=flat), robots, name, settings)

    @property
    def trusted(self) -> list[str]:
        """Dotted paths that this file itself names, so that its robots may load them."""
        return dotted_paths(self.method_name, self.aggregator.model.name)


def dotted_paths(*names: str) -> list[str]:
    """Return those of `names` that are `module:name` paths."""
    return [name for name in names if ':' in name]


def resolved(settings: AggregatorSettings, method_name: str, method: Any) -> dict[str, Any]:
    """Return every setting of a run as a nested mapping, for config.yaml."""
    return {**asdict(settings), 'method': {'name': method_name, **asdict(method)}}


def default_config(method: Any) -> dict[str, Any]:
    """Return what config.yaml would say if nobody had set anything. method: its settings."""
    return resolved(AggregatorSettings(), '', type(method)())


def fleet_setting_names() -> set[str]:
    """Return the dotted names that a parameter file may hold, besides those of the method."""
    both = (*settings_of(AggregatorSettings), *settings_of(LearnerSettings))
    return {item.name for item in both} | {'use_sim_time'}
