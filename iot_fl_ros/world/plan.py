"""The plan of the hall: four rooms, their doors, crates, and boards that each bear a picture.

Room 0 is where x > 0 and y > 0, the others follow counter-clockwise. A place in a room is given
as (along, across): distances from the hall's centre, m, mirrored into the room's quadrant, so that
all rooms are alike. What kinds of pictures a room has differs: non-IID by geography. And a view of
the whole hall from above.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

ROOMS = 4
# Class indices of Fashion-MNIST; neighbours 0 and 1, 2 and 3 share one.
ROOM_KINDS: tuple[tuple[int, ...], ...] = ((0, 1, 2), (2, 3, 4), (5, 6, 7), (7, 8, 9))
HALF = 5.0  # m, from the centre to the inner faces of the outer walls
WALL = 0.1  # thickness, m
WALL_HEIGHT = 1.0
DOOR_START, DOOR_END = 0.75, 1.95  # m from the centre, in each of the four inner walls
BOARD = 0.6  # side, m
BOARD_THICKNESS = 0.02
BOARD_CENTRE = 0.4  # height of a board's centre, m
CRATE = 0.64  # side, m
CRATE_HEIGHT = 0.8
CRATES = ((3.55, 3.55), (3.55, 1.75), (1.75, 3.55))
_OUTER_BOARDS, _INNER_BOARDS = 7, 4  # of one wall of one room, beside the one before the door
_MARGIN, _HEIGHT = 0.1, 20.0  # of a view from above: around the outer walls; of its camera; m
_SIGNS = ((1, 1), (-1, 1), (-1, -1), (1, -1))


@dataclass(frozen=True)
class Block:
    """A box on the floor: centre x, y and sizes, m."""

    name: str
    x: float
    y: float
    size_x: float
    size_y: float
    height: float


@dataclass(frozen=True)
class Place:
    """Place of a board: its centre x, y, m, and the direction that it faces, rad."""

    room: int
    x: float
    y: float
    yaw: float


def room_of(x: float, y: float) -> int:
    """Return the room of a point of the hall."""
    return _SIGNS.index((1 if x >= 0 else -1, 1 if y >= 0 else -1))


def in_room(room: int, along: float, across: float) -> tuple[float, float]:
    """Return x, y of a place in a room."""
    sign_x, sign_y = _SIGNS[room % ROOMS]
    return sign_x * along, sign_y * across


def walls() -> Iterator[Block]:
    """Yield the outer walls and the eight pieces of the inner ones."""
    middle, length = HALF + WALL / 2, 2 * HALF + 2 * WALL
    for name, sign in (('east', 1), ('west', -1)):
        yield Block(f'wall_{name}', sign * middle, 0.0, WALL, length, WALL_HEIGHT)
    for name, sign in (('north', 1), ('south', -1)):
        yield Block(f'wall_{name}', 0.0, sign * middle, 2 * HALF, WALL, WALL_HEIGHT)
    for name, (dx, dy) in {'e': (1, 0), 'n': (0, 1), 'w': (-1, 0), 's': (0, -1)}.items():
        for part, start, end in (('post', 0.0, DOOR_START), ('side', DOOR_END, HALF)):
            centre, long = (start + end) / 2, end - start
            size = (long, WALL) if dx else (WALL, long)
            yield Block(f'wall_{name}_{part}', dx * centre, dy * centre, *size, WALL_HEIGHT)


def crates() -> Iterator[Block]:
    """Yield the crates of all rooms."""
    for room in range(ROOMS):
        for number, (along, across) in enumerate(CRATES):
            x, y = in_room(room, along, across)
            yield Block(f'crate_{room}_{number}', x, y, CRATE, CRATE, CRATE_HEIGHT)


def places() -> Iterator[Place]:
    """Yield where boards hang, room by room."""
    for room in range(ROOMS):
        for along, across, yaw in (*_wall_places(), *_crate_places()):
            sign_x, sign_y = _SIGNS[room]
            mirrored = math.atan2(sign_y * round(math.sin(yaw)), sign_x * round(math.cos(yaw)))
            yield Place(room, *in_room(room, along, across), mirrored)


def _wall_places() -> Iterator[tuple[float, float, float]]:
    """Yield along, across and facing of the boards on the walls of room 0."""
    outer, inner = HALF - BOARD_THICKNESS / 2, WALL / 2 + BOARD_THICKNESS / 2
    for number in range(_OUTER_BOARDS):
        position = _spread(number, _OUTER_BOARDS, WALL / 2, HALF)
        yield outer, position, math.pi
        yield position, outer, -math.pi / 2
    before_door = (WALL / 2 + DOOR_START) / 2
    for position in (
        before_door,
        *(_spread(number, _INNER_BOARDS, DOOR_END, HALF) for number in range(_INNER_BOARDS)),
    ):
        yield inner, position, 0.0
        yield position, inner, math.pi / 2


def _crate_places() -> Iterator[tuple[float, float, float]]:
    reach = CRATE / 2 + BOARD_THICKNESS / 2
    for along, across in CRATES:
        for yaw in (0.0, math.pi / 2, math.pi, -math.pi / 2):
            yield along + reach * round(math.cos(yaw)), across + reach * round(math.sin(yaw)), yaw


def _spread(number: int, count: int, start: float, end: float) -> float:
    """Return the middle of one of `count` equal parts of a wall."""
    return start + (end - start) * (number + 0.5) / count


def named_places() -> Iterator[tuple[str, Place]]:
    """Yield the name `board_<class index>_<serial>` and the place of every board.

    The kinds of a room take turns, so that each wall shows all of them.
    """
    used: Counter[int] = Counter()
    for number, place in enumerate(places()):
        kinds = ROOM_KINDS[place.room]
        kind = kinds[number % len(kinds)]
        yield f'board_{kind}_{used[kind]:03d}', place
        used[kind] += 1


@dataclass(frozen=True)
class TopView:
    """A view from above of this size in pixels: x to the right, y up, the hall in the middle."""

    width: int
    height: int

    @property
    def pixels_per_metre(self) -> float:
        """Scale, the same in both directions."""
        return min(self.width, self.height) / (2 * (HALF + WALL + _MARGIN))

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """Return column and row of a point of the world, from the picture's top left corner."""
        scale = self.pixels_per_metre
        return self.width / 2 + x * scale, self.height / 2 - y * scale

    def aim(self, cameras: Any) -> None:
        """Let the OpenGL cameras of a MuJoCo scene (one for each eye) look down."""
        half_x, half_y = (s / 2 / self.pixels_per_metre for s in (self.width, self.height))
        for camera in cameras:
            camera.pos[:] = 0, 0, _HEIGHT
            camera.forward[:] = 0, 0, -1
            camera.up[:] = 0, 1, 0
            camera.orthographic = 1
            camera.frustum_center, camera.frustum_width = 0.0, half_x
            camera.frustum_bottom, camera.frustum_top = -half_y, half_y
            camera.frustum_near, camera.frustum_far = 1.0, 2 * _HEIGHT
