"""The camera robot: its model from the template worlds/camera_robot.sdf, and where it starts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from iot_fl_ros.core.errors import ConfigError, DataError
from iot_fl_ros.world.elements import Model
from iot_fl_ros.world.installed import TEMPLATE, worlds_folder
from iot_fl_ros.world.plan import ROOMS, in_room
from iot_fl_ros.world.poses import pose_matrix
from iot_fl_ros.world.sdf import read_model

PATROLS = ('own', 'others', 'all', 'none')
# Places of a room where robots start, in this order: along, across, m (see plan.in_room).
_STARTS = (
    (2.5, 2.5), (1.8, 1.8), (1.1, 1.1), (2.7, 0.7), (0.7, 2.7),
    (4.5, 0.7), (0.7, 4.5), (4.45, 2.65), (2.65, 4.45), (4.4, 4.4),
)  # fmt: skip
MOST_ROBOTS = ROOMS * len(_STARTS)


def robot_names(count: int) -> tuple[str, ...]:
    """Return `robot_0` and so on, with leading zeros where needed, as the launch files do."""
    if not 1 <= count <= MOST_ROBOTS:
        raise ConfigError(f'robots is {count}: the hall has room for 1 to {MOST_ROBOTS}')
    width = len(str(count - 1))
    return tuple(f'robot_{index:0{width}d}' for index in range(count))


def filled(text: str, name: str) -> str:
    """Return a template (of a model or of a bridge) for the robot of this name."""
    return text.replace('__ROBOT__', name)


def robot_sdf(folder: Path, name: str) -> str:
    """Return the SDFormat text of a robot: a template in `folder`, else that of this package."""
    own = folder / TEMPLATE
    return filled_file(own if own.is_file() else worlds_folder() / TEMPLATE, 'robots', name)


def filled_file(template: Path, what: str, name: str) -> str:
    """Return a template file of `what`, filled; DataError if it cannot be read."""
    try:
        return filled(template.read_text(), name)
    except (OSError, ValueError) as error:  # ValueError: no text
        raise DataError(f'cannot read the template of {what}: {error}') from error


def start_pose(index: int) -> tuple[float, float, float]:
    """Return x, y (m) and yaw (rad) where robot `index` starts: in room `index % 4`."""
    x, y = in_room(index % ROOMS, *_STARTS[index // ROOMS])
    return x, y, math.atan2(y, x)


def robots(folder: Path, names: Sequence[str]) -> tuple[Model, ...]:
    """Return the models of robots at their starts."""
    models = []
    for index, name in enumerate(names):
        x, y, yaw = start_pose(index)
        pose = pose_matrix(f'{x} {y} 0 0 0 {yaw}')
        model = read_model(robot_sdf(folder, name))
        _check(model, name)
        models.append(replace(model, pose=pose))
    return tuple(models)


def _check(model: Model, name: str) -> None:
    """Raise DataError unless a model can be driven, located and asked for pictures."""
    needs = {
        f'the name {name!r}: __ROBOT__ stands for it': model.name == name,
        'a first link that moves freely': not model.static
        and bool(model.links)
        and all(joint.child != model.links[0].name for joint in model.joints),
        'a DiffDrive plugin': model.drive is not None,
        'a camera': any(link.cameras for link in model.links),
    }
    for what, there in needs.items():
        if not there:
            raise DataError(f'the template of robots, model {model.name!r}: it needs {what}')


def patrol_route(choice: str, index: int) -> Sequence[int]:
    """Return the rooms that robot `index` visits: its own, the others, or all of them."""
    own = index % ROOMS
    following = tuple((own + step) % ROOMS for step in range(ROOMS))
    routes = {'own': (own,), 'others': following[1:], 'all': following, 'none': ()}
    if choice not in routes:
        raise ConfigError(f'patrol is {choice!r}: choose {", ".join(PATROLS)}')
    return routes[choice]
