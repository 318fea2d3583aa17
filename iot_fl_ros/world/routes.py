"""Ways through the hall: the tour of a room, and from room to room through the doors.

All rooms are mirror images of each other, so one tour, in the coordinates of plan.in_room, does.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.world.plan import DOOR_END, DOOR_START, ROOMS, in_room, room_of

_DOOR = (DOOR_START + DOOR_END) / 2
_KEEP_RIGHT = 0.25  # m from the middle of a door
_HUB = (_DOOR, _DOOR)  # between the two doors of a room
# Around the crates and between them: along, across, and whether to look around there.
_TOUR = (
    (*_HUB, True), (3.3, 0.6, True), (4.6, 0.8, False), (4.6, 2.65, True),
    (2.55, 2.55, True), (2.65, 4.6, True), (0.8, 4.6, False), (0.6, 3.3, True),
)  # fmt: skip
_HUB_INDEX, _MIDDLE_INDEX = 0, 4


@dataclass(frozen=True)
class Waypoint:
    """A point of the floor, m; look: turn around there once."""

    x: float
    y: float
    look: bool = False


def rooms_of(route: Sequence[str]) -> tuple[int, ...]:
    """Return the rooms that a setting names; ConfigError if there is no such room."""
    known = {str(room): room for room in range(ROOMS)}
    for name in route:
        if name not in known:
            raise ConfigError(f'route: room {name!r} is unknown: choose {", ".join(known)}')
    return tuple(known[name] for name in route)


def tour(route: Sequence[int], loops: int, x: float, y: float) -> Iterator[Waypoint]:
    """Yield where to go, from x, y on: the tours of the rooms of a route, `loops` times.

    route: empty = the room of x, y; loops: 0 = for ever.
    """
    here = room_of(x, y)
    places = [in_room(here, along, across) for along, across, _ in _TOUR]
    start = min(range(len(_TOUR)), key=lambda index: math.dist(places[index], (x, y)))
    laps = itertools.count() if loops == 0 else range(loops)
    for _ in laps:
        for room in route or (here,):
            if room != here:
                yield from _to_hub(here, start)
                yield from _through_doors(here, room)
                here, start = room, _HUB_INDEX
            for index in (*range(start, len(_TOUR)), *range(start)):
                yield _waypoint(room, index)
            # Back where the tour began, without a second look.
            yield _waypoint(room, start, look=False)


def detour(x: float, y: float, goal: Waypoint) -> Iterator[Waypoint]:
    """Yield the way to a goal by the hubs of the rooms, for who is where it should not be."""
    here, there = room_of(x, y), room_of(goal.x, goal.y)
    yield _waypoint(here, _HUB_INDEX, look=False)
    yield from _through_doors(here, there)
    yield goal


def _to_hub(room: int, index: int) -> Iterator[Waypoint]:
    """Yield the way from a point of the tour to the doors; from the middle it is straight."""
    steps = [] if index in (_HUB_INDEX, _MIDDLE_INDEX) else list(range(index + 1, len(_TOUR)))
    for step in (*steps, _HUB_INDEX):
        yield _waypoint(room, step, look=False)


def _through_doors(start: int, end: int) -> Iterator[Waypoint]:
    """Yield the way from hub to hub, the shorter way around the ring of rooms."""
    step = 1 if (end - start) % ROOMS <= ROOMS // 2 else -1
    while start != end:
        following = (start + step) % ROOMS
        yield from _through_door(start, following)
        start = following


def _through_door(room: int, following: int) -> Iterator[Waypoint]:
    (x, y), (next_x, next_y) = in_room(room, *_HUB), in_room(following, *_HUB)
    length = math.dist((x, y), (next_x, next_y))
    ahead_x, ahead_y = (next_x - x) / length, (next_y - y) / length
    middle_x, middle_y = (x + next_x) / 2, (y + next_y) / 2
    right_x, right_y = ahead_y * _KEEP_RIGHT, -ahead_x * _KEEP_RIGHT
    for before in (-0.6, 0.6):  # m, along the way
        yield Waypoint(
            middle_x + before * ahead_x + right_x, middle_y + before * ahead_y + right_y
        )
    yield Waypoint(next_x, next_y)


def _waypoint(room: int, index: int, look: bool | None = None) -> Waypoint:
    along, across, looks = _TOUR[index]
    return Waypoint(*in_room(room, along, across), looks if look is None else look)
