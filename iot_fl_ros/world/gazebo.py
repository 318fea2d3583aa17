"""The arguments of Gazebo, and the files of its ROS bridge, for launch/gazebo.launch.py."""

from __future__ import annotations

from pathlib import Path

from iot_fl_ros.world.robot import filled_file, robot_sdf, start_pose

CLOCK_BRIDGE, ROBOT_BRIDGE = 'gazebo_bridge.yaml', 'gazebo_bridge_robot.yaml'


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
    path = folder / f'bridge_{robot}.yaml'
    path.write_text(filled_file(config / ROBOT_BRIDGE, 'bridges', robot))
    return path
