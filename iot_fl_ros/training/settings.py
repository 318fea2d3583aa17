"""Settings that all kinds of runs share: the run itself, its model, its robots, their machines."""

from __future__ import annotations

from dataclasses import dataclass

from iot_fl_ros.core.config import setting
from iot_fl_ros.core.errors import ConfigError

# Samples of a mini-batch where nobody says how many, and steps that an epoch has at least then.
_USUAL_BATCH, _SMALLEST_BATCH, _STEPS = 50, 8, 12
BATCH_SIZE = 'Samples a batch; 0 = 50, or fewer for a robot that has few samples.'


@dataclass(frozen=True)
class RunBasics:
    """Settings that every run has."""

    name: str = setting('run', 'Name of the run; names its output folder and its messages.')
    seed: int = setting(
        0,
        'Seed of every random choice; without an aggregator, the same on every robot.',
        minimum=0,
    )
    start_timeout: float = setting(
        60.0, 'Time after which the run starts with the robots that are there, s.', minimum=0.0
    )
    heartbeat: float = setting(1.0, 'Period of statuses and plans, s.', minimum=0.01)
    lease: float = setting(
        5.0, 'Silence after which a participant counts as gone, s.', minimum=0.02
    )
    output: str = setting(
        '', 'Folder for events, summary and checkpoints, of each robot in a mesh; empty = none.'
    )


@dataclass(frozen=True)
class ModelSettings:
    """The model that the run trains."""

    name: str = setting('dsfl_mnist_cnn', 'Model registry name or `module:factory`.')


@dataclass(frozen=True)
class NodeSettings:
    """Use of the machine by a process."""

    device: str = setting('auto', 'Torch device.', choices=('cpu', 'cuda', 'auto'))
    threads: int = setting(1, 'Torch threads of the process.', minimum=1)
    fleet_namespace: str = setting('/fleet', 'Namespace of the topics that the fleet shares.')
    use_events_executor: bool = setting(
        True, "Spin with rclpy's EventsExecutor, which costs less."
    )
    exit_when_finished: bool = setting(False, 'End the process when the run is over.')


@dataclass(frozen=True)
class RobotIdSettings:
    """The robots of a process."""

    id: str = setting('', 'Robot id; empty = its namespace.')
    ids: list = setting([], 'Robots in this process, each in a namespace of its own; empty = one.')


@dataclass(frozen=True)
class RobotSettings(RobotIdSettings):
    """Settings that each robot has of its own."""

    trusted: list = setting(
        [], 'Methods and models by dotted path that the aggregator may name; registered ones may.'
    )
    tags: list = setting([], 'What the robot says of itself, see select.tags.')
    battery_topic: str = setting(
        'battery_state', 'Topic of its sensor_msgs/BatteryState; empty = none.'
    )
    checkpoint_dir: str = setting('', 'Folder for its checkpoint; empty = none.')


def samples_a_batch(wanted: int, samples: int) -> int:
    """Return the samples of a mini-batch; wanted: 0 = 50, or fewer where there are few samples.

    An epoch of few samples in large batches is a step or two, from which nothing is learned.
    """
    check_batch_size(wanted)
    return wanted or min(_USUAL_BATCH, max(_SMALLEST_BATCH, samples // _STEPS))


def check_batch_size(wanted: int) -> None:
    """Raise ConfigError for batches of one sample, on which BatchNorm cannot train, or of less."""
    if wanted < 0 or wanted == 1:
        raise ConfigError(f'method.batch_size is {wanted}: at least 2, or 0 for the usual')
