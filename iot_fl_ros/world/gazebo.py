"""Arguments of Gazebo and its ROS bridge, for launch/gazebo.launch.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from iot_fl_ros.core.errors import ConfigError, DataError
from iot_fl_ros.world.plan import ROOMS
from iot_fl_ros.world.robot import filled, robot_sdf, start_pose

CLOCK_BRIDGE = 'gazebo_bridge.yaml'
ROBOT_BRIDGE = 'gazebo_bridge_robot.yaml'
PATROLS = ('own', 'others', 'all', 'none')


def server_arguments(world: Path, headless: bool) -> str:
    """Return the arguments of `gz sim`: run at once; without a window if `headless`."""
    window = '-s --headless-rendering ' if headless else ''
    return f'-r {window}{world}'


def spawn_arguments(world: Path, world_name: str, robot: str, index: int) -> list[str]:
    """Return the arguments of `ros_gz_sim create` for one robot; world: its file."""
    x, y, yaw = (f'{value:.6f}' for value in start_pose(index))
    place = ['-x', x, '-y', y, '-z', '0.01', '-Y', yaw]
    text = robot_sdf(world.parent, robot)
    return ['-world', world_name, '-name', robot, '-string', text, *place]


def write_bridge(config: Path, robot: str, folder: Path) -> Path:
    """Write the bridge's file of one robot into a folder and return it; config: the template's."""
    try:
        text = (config / ROBOT_BRIDGE).read_text()
    except OSError as error:
        raise DataError(f'cannot read the template of bridges: {error}') from error
    path = folder / f'bridge_{robot}.yaml'
    path.write_text(filled(text, robot))
    return path


def patrol_route(choice: str, index: int) -> Sequence[int]:
    """Return the rooms that robot `index` visits: its own, the others, or all of them."""
    own = index % ROOMS
    following = tuple((own + step) % ROOMS for step in range(ROOMS))
    routes = {'own': (own,), 'others': following[1:], 'all': following, 'none': ()}
    if choice not in routes:
        raise ConfigError(f'patrol is {choice!r}: choose {", ".join(PATROLS)}')
    return routes[choice]
