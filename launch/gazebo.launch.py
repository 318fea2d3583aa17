"""Camera robots on patrol in the simulated hall; simulator:=gazebo or mujoco, the rest is equal.

Each robot has camera/image, camera/camera_info, odom, ground_truth and cmd_vel in its namespace;
/clock is simulated time. mujoco is our own node for machines without Gazebo.
"""

import tempfile
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from launch import LaunchDescription
from launch.actions import (
    AppendEnvironmentVariable,
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node, PushROSNamespace
from launch_ros.parameter_descriptions import ParameterFile

from iot_fl_ros.world.gazebo import (
    CLOCK_BRIDGE,
    patrol_route,
    server_arguments,
    spawn_arguments,
    write_bridge,
)
from iot_fl_ros.world.robot import robot_names
from iot_fl_ros.world.sdf import read_world
from iot_fl_ros.world.textures import prepare_world

SHARE = Path(get_package_share_directory('iot_fl_ros'))
ARGUMENTS = {
    'simulator': ('gazebo', 'gazebo, or mujoco where there is no Gazebo.'),
    'robots': ('4', 'Number of robots, named robot_0 and so on.'),
    'headless': ('true', 'No window; mujoco never has one.'),
    'world': ('', 'World file; empty = the hall, its textures are made the first time.'),
    'patrol': ('own', 'Rooms that each robot visits: own, others, all or none.'),
    'loops': ('1', 'How many times each robot does its patrol; 0 = for ever.'),
    'real_time_factor': ('1.0', 'Simulated s in a real one; 0 = as fast as it can. mujoco only.'),
    'params_file': ('', 'ROS parameter file keyed /** for the patrols; overrides the rest.'),
    'use_sim_time': ('true', 'Follow /clock.'),
    'log_level': ('info', 'Log level of the nodes.'),
    'network_profile': ('camera', 'same-host, wifi, large-data, discovery-server or camera.'),
}


def _actions(context):
    """Build the nodes; a function because the number of robots is an argument."""
    value = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    simulators = {'gazebo': _gazebo, 'mujoco': _mujoco}
    if value['simulator'] not in simulators:
        raise ValueError(f'simulator is {value["simulator"]!r}: choose {", ".join(simulators)}')
    names = robot_names(int(value['robots']))
    world = Path(value['world']).absolute() if value['world'] else prepare_world()
    return [
        SetEnvironmentVariable('IOT_FL_NETWORK_PROFILE', value['network_profile']),
        *simulators[value['simulator']](value, world, names),
        *_patrols(value, names),
    ]


def _mujoco(value, world, names):
    """Return our own simulator. It makes /clock, so it does not follow it."""
    settings = {
        'world': str(world),
        'robots': len(names),
        'real_time_factor': float(value['real_time_factor']),
    }
    return [_node(value, 'simulator', [settings], on_exit=Shutdown())]


def _gazebo(value, world, names):
    """Return Gazebo, the robots that are put into it, and a bridge for each of them."""
    try:
        source = Path(get_package_share_directory('ros_gz_sim')) / 'launch/gz_sim.launch.py'
    except PackageNotFoundError as error:
        raise RuntimeError(
            'simulator:=gazebo needs ros_gz (apt-get install ros-$ROS_DISTRO-ros-gz); without it '
            'choose simulator:=mujoco'
        ) from error
    gz_args = server_arguments(world, value['headless'].lower() == 'true')
    server = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(source)),
        launch_arguments={'gz_args': gz_args, 'on_exit_shutdown': 'true'}.items(),
    )
    folder = Path(tempfile.mkdtemp(prefix='iot_fl_ros_bridge_'))
    world_name = read_world(world).name
    robots = [
        action
        for index, name in enumerate(names)
        for action in (
            Node(
                package='ros_gz_sim',
                executable='create',
                output='screen',
                arguments=spawn_arguments(world, world_name, name, index),
            ),
            _bridge(write_bridge(SHARE / 'config', name, folder), name),
        )
    ]
    resources = AppendEnvironmentVariable('GZ_SIM_RESOURCE_PATH', str(world.parent))
    return [resources, server, _bridge(SHARE / 'config' / CLOCK_BRIDGE, ''), *robots]


def _bridge(config_file, namespace):
    return Node(
        package='ros_gz_bridge',
        executable='parameter_bridge',
        namespace=namespace,
        name='bridge',
        output='screen',
        parameters=[{'config_file': str(config_file)}],
    )


def _patrols(value, names):
    if value['patrol'] == 'none':
        return []
    return [
        GroupAction([PushROSNamespace(name), _patrol(value, index)])
        for index, name in enumerate(names)
    ]


def _patrol(value, index):
    settings = {
        'route': [str(room) for room in patrol_route(value['patrol'], index)],
        'loops': int(value['loops']),
        'use_sim_time': value['use_sim_time'].lower() == 'true',
    }
    file = [ParameterFile(value['params_file'], allow_substs=True)] if value['params_file'] else []
    return _node(value, 'patrol', [settings, *file])


def _node(value, executable, parameters, **others):
    return Node(
        package='iot_fl_ros',
        executable=executable,
        output='screen',
        arguments=['--ros-args', '--log-level', value['log_level']],
        parameters=parameters,
        **others,
    )


def generate_launch_description():
    """Return the description of the simulated fleet."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=_actions)])
