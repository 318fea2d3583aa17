"""Settings of a peer of a mesh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from iot_fl_ros.core.config import read_settings, refuse_unknown, setting, settings_of
from iot_fl_ros.core.names import robot_ids
from iot_fl_ros.data.settings import DataSettings
from iot_fl_ros.methods.method import MeshMethod
from iot_fl_ros.methods.registry import DEFAULT_MESH_METHOD, method_settings
from iot_fl_ros.training.energy import EnergySettings
from iot_fl_ros.training.settings import ModelSettings, NodeSettings, RobotIdSettings, RunBasics

GRAPHS = ('line', 'ring', 'star', 'grid', 'erdos_renyi', 'full', 'file', 'discovery')
WEIGHTS = ('metropolis', 'laplacian')


@dataclass(frozen=True)
class PeerRunSettings(RunBasics):
    """Settings of a run that all peers share, and how long they wait for each other."""

    name: str = setting('mesh', 'Name of the run; peers of other runs are left alone.')
    rounds: int = setting(10, 'Number of rounds; the same on every peer.', minimum=1)
    deadline: float = setting(
        120.0, "Time for which neighbours' updates are awaited, s.", minimum=0.01
    )
    resume: bool = setting(True, 'Continue from the checkpoint in `output` if there is one.')


@dataclass(frozen=True)
class MeshSettings:
    """The graph of a mesh, and the weights of its links."""

    graph: str = setting(
        'ring', 'Who are neighbours; discovery = whoever is heard.', choices=GRAPHS
    )
    robots: list = setting([], 'Robots of the mesh; empty = robot_0 .. of `mesh.count`.')
    count: int = setting(0, 'Number of robots, if they are not named.', minimum=0)
    file: str = setting(
        '',
        'Graph file: GraphML (.graphml), or a line `robot_a robot_b` for each edge. It is read '
        'again when it changes.',
    )
    probability: float = setting(
        0.3, 'Probability of an edge of erdos_renyi.', minimum=0.0, maximum=1.0
    )
    weights: str = setting(
        'metropolis', "Weights of the neighbours' updates; laplacian = I - eps L.", choices=WEIGHTS
    )
    eps: float = setting(
        0.0, 'Step of laplacian; 0 = the best without negative weights.', minimum=0.0
    )

    @property
    def ids(self) -> list[str]:
        """Robots that the settings name, sorted; empty if they name none."""
        named = [robot_id for robot_id in self.robots if robot_id]
        return sorted(set(named)) if named else robot_ids(self.count) if self.count else []


@dataclass(frozen=True)
class PeerSettings:
    """Settings of a peer, besides `method.*`."""

    run: PeerRunSettings = field(default_factory=PeerRunSettings)
    mesh: MeshSettings = field(default_factory=MeshSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    data: DataSettings = field(default_factory=DataSettings)
    energy: EnergySettings = field(default_factory=EnergySettings)
    node: NodeSettings = field(default_factory=NodeSettings)
    robot: RobotIdSettings = field(default_factory=RobotIdSettings)


@dataclass(frozen=True)
class MeshRunSettings:
    """Everything that one parameter file can say to a mesh."""

    peer: PeerSettings
    method_name: str
    method: Any

    @classmethod
    def from_flat(cls, flat: Mapping[str, Any]) -> MeshRunSettings:
        """Read dotted names; ConfigError for an unknown name or a bad value."""
        method = {k.removeprefix('method.'): v for k, v in flat.items() if k.startswith('method.')}
        name, settings = method_settings(method, MeshMethod, DEFAULT_MESH_METHOD)
        refuse_unknown(flat, {*peer_setting_names(), *(f'method.{key}' for key in method)})
        return cls(read_settings(PeerSettings, flat, known=flat), name, settings)

    def of_robot(self, robot_id: str) -> MeshRunSettings:
        """Return the settings of one robot, with its id in the place of `{robot}`."""
        return replace(self, peer=replace(self.peer, data=self.peer.data.of_robot(robot_id)))

    def usual(self) -> MeshRunSettings:
        """Return the settings of a mesh with this method for which nobody set anything."""
        return MeshRunSettings(PeerSettings(), '', type(self.method)())

    def resolved(self) -> dict[str, Any]:
        """Return every setting as a nested mapping, for config.yaml."""
        method = {'name': self.method_name, **asdict(self.method)}
        return {**asdict(self.peer), 'method': method}


def peer_setting_names() -> set[str]:
    """Return the dotted names that a parameter file may hold, besides those of the method."""
    return {item.name for item in settings_of(PeerSettings)} | {'use_sim_time'}
