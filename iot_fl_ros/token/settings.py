"""Settings of a Tram-FL run. Every robot reads all of them: there is no server to ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from iot_fl_ros.core.config import read_settings, refuse_unknown, setting, settings_of
from iot_fl_ros.core.errors import ConfigError, MessageError
from iot_fl_ros.core.messages.token import MAX_TOKENS
from iot_fl_ros.core.names import check_robot_id, robot_ids
from iot_fl_ros.data.settings import DataSettings
from iot_fl_ros.training.energy import EnergySettings
from iot_fl_ros.training.settings import ModelSettings, NodeSettings, RobotSettings, RunBasics


@dataclass(frozen=True)
class TramRunSettings(RunBasics):
    """One run and its clocks; robots that hear no status for a lease take a token over."""

    name: str = setting('tram', 'Name of the run; names its messages.')
    heartbeat: float = setting(0.5, 'Period of statuses, s.', minimum=0.01)
    lease: float = setting(
        5.0, 'Silence after which a holder has lost its token, s.', minimum=0.05
    )
    updates: int = setting(2_000, 'Mini-batches that each token is trained on.', minimum=1)
    target: float = setting(
        1.0, 'Test accuracy after which a token is not trained any more.', minimum=0.0, maximum=1.0
    )
    test_every: int = setting(
        100, 'Mini-batches after which the holder tests the model on data.test.', minimum=1
    )


@dataclass(frozen=True)
class TramSettings:
    """Travel and training of tokens (arXiv 2308.04762, 2610.07859; the paper's defaults)."""

    robots: list = setting(
        [], 'Ids of all robots; more than half of them decide who holds. Empty = `tram.count`.'
    )
    count: int = setting(0, 'Number of robots, if they are robot_0 and so on.', minimum=0)
    tokens: int = setting(1, 'Models that travel at a time.', minimum=1, maximum=MAX_TOKENS)
    routing: str = setting(
        'cycle',
        'cycle: mini-batches of all robots planned together; dynamic: the next robot alone; '
        'load_aware: the same, by time and link too.',
        choices=('cycle', 'dynamic', 'load_aware'),
    )
    cycle_batches: int = setting(25, 'Least number of mini-batches a cycle (beta).', minimum=1)
    visit_batches: int = setting(
        10, 'Mini-batches a visit, of dynamic; most of them, of load_aware.', minimum=1
    )
    share_cap: float = setting(
        1.0, "Most mini-batches of a robot in a cycle, as a share of its samples'.",
        minimum=0.0, maximum=1.0,
    )  # fmt: skip
    imbalance: float = setting(
        0.05,
        "Variance of class usage, over the square of a class's share of a cycle, that load_aware "
        'accepts for speed.',
        minimum=0.0,
    )
    batch_size: int = setting(100, 'Samples a mini-batch.', minimum=1)
    learning_rate: float = setting(0.005, 'SGD learning rate (eta).', minimum=0.0)
    momentum: float = setting(0.9, 'Momentum (alpha).', minimum=0.0, maximum=1.0)
    momentum_bits: int = setting(8, 'Bits of a momentum value on the wire: 8 or 32.')
    merge: bool = setting(True, 'Average the models of tokens that meet at a robot.')
    deliver: bool = setting(True, 'Take the final model to every robot.')
    offer_timeout: float = setting(
        30.0, 'Time after which a token is offered to somebody else, s.', minimum=0.1
    )
    give_up: float = setting(
        0.0,
        'Time without a token after which an older copy will do, s; 0 = wait for the newest.',
        minimum=0.0,
    )

    @property
    def ids(self) -> list[str]:
        """Ids of all robots, sorted."""
        named = [robot_id for robot_id in self.robots if robot_id]
        return sorted(named) if named else robot_ids(self.count) if self.count else []

    def check(self) -> None:
        """Raise ConfigError for what no fleet can run with."""
        ids = self.ids
        for robot_id in ids:
            try:
                check_robot_id(robot_id)
            except MessageError as error:
                raise ConfigError(f'tram.robots: {error}') from error
        if len(set(ids)) != len(ids) or not ids:
            raise ConfigError('tram.robots must name every robot of the fleet once, or tram.count')
        if self.tokens > len(ids):
            raise ConfigError(f'tram.tokens is {self.tokens}, but there are {len(ids)} robots')
        if self.momentum_bits not in (8, 32):
            raise ConfigError(f'tram.momentum_bits is {self.momentum_bits}: use 8 or 32')


@dataclass(frozen=True)
class TramNodeSettings:
    """Settings of a robot of a Tram-FL fleet."""

    run: TramRunSettings = field(default_factory=TramRunSettings)
    tram: TramSettings = field(default_factory=TramSettings)
    robot: RobotSettings = field(default_factory=RobotSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    data: DataSettings = field(default_factory=DataSettings)
    energy: EnergySettings = field(default_factory=EnergySettings)
    node: NodeSettings = field(default_factory=NodeSettings)

    @classmethod
    def from_flat(cls, flat: Mapping[str, Any]) -> TramNodeSettings:
        """Read dotted names; ConfigError for an unknown name or a bad value."""
        refuse_unknown(flat, tram_setting_names())
        settings = read_settings(cls, flat, known=flat)
        settings.check()
        return settings

    def check(self) -> None:
        """Raise ConfigError for what no fleet can run with."""
        self.tram.check()
        if 2 * self.run.heartbeat > self.run.lease:
            raise ConfigError(
                f'run.heartbeat is {self.run.heartbeat:g} s: run.lease of {self.run.lease:g} s '
                'needs two of them at least'
            )

    def flat(self) -> dict[str, Any]:
        """Return every setting as a nested mapping, for config.yaml."""
        return asdict(self)


def tram_setting_names() -> set[str]:
    """Return the dotted names that a parameter file of a Tram-FL fleet may hold."""
    return {item.name for item in settings_of(TramNodeSettings)} | {'use_sim_time'}
