"""Settings of a run and of its two kinds of participants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from iot_fl_ros.core.config import read_settings, refuse_unknown, setting, settings_of
from iot_fl_ros.data.settings import DataSettings
from iot_fl_ros.federation.selection.settings import SelectSettings
from iot_fl_ros.methods.registry import method_settings


@dataclass(frozen=True)
class RunSettings:
    """What the aggregator decides about a run."""

    name: str = setting('run', 'Name of the run; names its output folder and its messages.')
    seed: int = setting(0, 'Seed of every random choice.', minimum=0)
    rounds: int = setting(10, 'Number of rounds.', minimum=1)
    robots: int = setting(1, 'Robots to wait for before the first round.', minimum=1)
    quorum: int = setting(
        0, 'Updates (k of n) that close a round early; 0 = all participants.', minimum=0
    )
    deadline: float = setting(
        120.0, 'Time after which a round closes without the rest, s.', minimum=0.01
    )
    start_timeout: float = setting(
        60.0, 'Time after which the run starts with the robots that are there, s.', minimum=0.0
    )
    settle: float = setting(
        0.0,
        'Time between the coming of the last robot that is waited for and the first round, s: '
        'until DDS has told everybody of everybody, a recorder misses messages.',
        minimum=0.0,
    )
    heartbeat: float = setting(1.0, 'Period of plans and statuses, s.', minimum=0.01)
    lease: float = setting(5.0, 'Silence after which a robot counts as gone, s.', minimum=0.02)
    output: str = setting('', 'Folder for events, summary and checkpoints; empty = none.')
    resume: bool = setting(True, 'Continue from the checkpoint in `output` if there is one.')


@dataclass(frozen=True)
class ModelSettings:
    """Which model the run trains."""

    name: str = setting('dsfl_mnist_cnn', 'Model registry name or `module:factory`.')


@dataclass(frozen=True)
class NodeSettings:
    """How a process uses its machine."""

    device: str = setting('auto', 'Torch device.', choices=('cpu', 'cuda', 'auto'))
    threads: int = setting(1, 'Torch threads of the process.', minimum=1)
    fleet_namespace: str = setting('/fleet', 'Namespace of the topics that the fleet shares.')
    use_events_executor: bool = setting(
        True, "Spin with rclpy's EventsExecutor, which costs less."
    )
    exit_when_finished: bool = setting(False, 'End the process when the run is over.')


@dataclass(frozen=True)
class RobotSettings:
    """What is a robot's own."""

    id: str = setting('', 'Robot id; empty = its namespace.')
    ids: list = setting([], 'Robots in this process, each in a namespace of its own; empty = one.')
    trusted: list = setting(
        [], 'Methods and models by dotted path that the aggregator may name; registered ones may.'
    )
    tags: list = setting([], 'What the robot says of itself, see select.tags.')
    battery_topic: str = setting(
        'battery_state', 'Topic of its sensor_msgs/BatteryState; empty = none.'
    )
    checkpoint_dir: str = setting('', 'Folder for its checkpoint; empty = none.')


@dataclass(frozen=True)
class RobotModelSettings:
    """Which model a robot trains."""

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
        return cls(
            read_settings(AggregatorSettings, flat, known=flat),
            read_settings(LearnerSettings, learner, known=learner),
            name,
            settings,
        )

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


def fleet_setting_names() -> set[str]:
    """Return the dotted names that a parameter file may hold, besides those of the method."""
    both = (*settings_of(AggregatorSettings), *settings_of(LearnerSettings))
    return {item.name for item in both} | {'use_sim_time'}
