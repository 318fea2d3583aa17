"""Elements of an SDFormat file as values. Lengths in m, angles in rad, poses as matrices.

Boards among them are the ground truth of what a camera sees: a board is a static model named
`board_<class index>_<serial>`, a thin box that bears its picture, upright, on the face towards +x
of its pose.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.world.poses import Matrix

Vector = tuple[float, ...]
WORLD = 'world'  # parent of a joint whose other side does not move
_BOARD = re.compile(r'board_(\d{1,9})_(\d{1,9})', re.ASCII)


@dataclass(frozen=True)
class Shape:
    """A geometry: box (x, y, z), cylinder (radius, length), sphere (radius), plane (x, y)."""

    kind: str
    size: Vector


@dataclass(frozen=True, eq=False)
class Part:
    """A visual or a collision of a link; colour RGBA 0..1, texture: file of the picture on it.

    shadows: whether it casts some.
    """

    name: str
    pose: Matrix
    shape: Shape
    visible: bool
    colour: Vector = (0.7, 0.7, 0.7, 1.0)
    texture: str = ''
    friction: float | None = None
    shadows: bool = True


@dataclass(frozen=True, eq=False)
class Camera:
    """A camera sensor; it looks along the +x axis of its pose, as SDFormat has it.

    near, far: from where to where it sees, m ahead.
    """

    name: str
    pose: Matrix
    topic: str
    info_topic: str
    frame_id: str
    width: int
    height: int
    horizontal_fov: float
    near: float
    far: float
    rate: float


@dataclass(frozen=True, eq=False)
class Link:
    """A rigid body of a model; pose in the model's frame.

    inertia: ixx, iyy, izz, ixy, ixz, iyz about the centre of mass, along the link's axes.
    self_collide: whether it collides with other links of its model.
    """

    name: str
    pose: Matrix
    mass: float
    centre: Vector
    inertia: Vector
    parts: tuple[Part, ...]
    cameras: tuple[Camera, ...]
    self_collide: bool = False


@dataclass(frozen=True)
class Joint:
    """A wheel's joint between two links, or WORLD and a link; axis in the child's frame."""

    name: str
    parent: str
    child: str
    axis: Vector


@dataclass(frozen=True)
class Drive:
    """The DiffDrive plugin of a model; linear and angular: lowest and highest speed."""

    left: str
    right: str
    separation: float
    radius: float
    linear: tuple[float, float]
    angular: tuple[float, float]
    topic: str
    odom_topic: str
    odom_rate: float
    frame_id: str
    child_frame_id: str


@dataclass(frozen=True)
class Truth:
    """The OdometryPublisher plugin of a model: its pose in the world."""

    topic: str
    rate: float
    frame_id: str
    child_frame_id: str


@dataclass(frozen=True, eq=False)
class Model:
    """A model with its pose in the world."""

    name: str
    static: bool
    pose: Matrix
    links: tuple[Link, ...]
    joints: tuple[Joint, ...] = ()
    drive: Drive | None = None
    truth: Truth | None = None


@dataclass(frozen=True)
class Light:
    """A directional light."""

    direction: Vector
    diffuse: Vector
    shadows: bool


@dataclass(frozen=True, eq=False)
class World:
    """A world file; step: of the simulation, s."""

    name: str
    step: float
    gravity: Vector
    ambient: Vector
    background: Vector
    lights: tuple[Light, ...]
    models: tuple[Model, ...]


@dataclass(frozen=True, eq=False)
class Board:
    """One board. pose: of its centre in the world; side: of the square picture, m."""

    name: str
    kind: int
    serial: int
    pose: Matrix
    side: float
    thickness: float
    texture: str


def boards_of(world: World) -> tuple[Board, ...]:
    """Return the boards of a world by name; DataError names one that bears no picture."""
    matches = ((model, _BOARD.fullmatch(model.name)) for model in world.models)
    found = (_board(model, int(match[1]), int(match[2])) for model, match in matches if match)
    return tuple(sorted(found, key=lambda board: board.name))


def _board(model: Model, kind: int, serial: int) -> Board:
    for link in model.links[:1]:
        for part in link.parts:
            if part.visible and part.shape.kind == 'box' and part.texture:
                pose = model.pose @ link.pose @ part.pose
                thickness, side = part.shape.size[:2]
                return Board(model.name, kind, serial, pose, side, thickness, part.texture)
    raise DataError(
        f'{model.name}: the first link of a board has a visual that is a box with an albedo_map'
    )
