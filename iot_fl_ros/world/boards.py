"""Boards of a world, the ground truth of what a camera sees.

A board is a static model named `board_<class index>_<serial>`: a thin box that bears its picture,
upright, on the face towards +x of its pose.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from iot_fl_ros.world.elements import World
from iot_fl_ros.world.poses import Matrix

_NAME = re.compile(r'board_(\d+)_(\d+)')


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
    """Return the boards of a world by name."""
    found = []
    for model in world.models:
        match = _NAME.fullmatch(model.name)
        if match is None:
            continue
        link = model.links[0]
        part = next(part for part in link.parts if part.visible)
        kind, serial = (int(group) for group in match.groups())
        pose = model.pose @ link.pose @ part.pose
        thickness, side = part.shape.size[0], part.shape.size[1]
        found.append(Board(model.name, kind, serial, pose, side, thickness, part.texture))
    return tuple(sorted(found, key=lambda board: board.name))
