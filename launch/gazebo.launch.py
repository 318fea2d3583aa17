"""Camera robots on patrol in the simulated hall; simulator:=gazebo or mujoco, the rest is equal.

Each robot has camera/image, camera/camera_info, odom, ground_truth and cmd_vel in its namespace;
/clock is simulated time. mujoco is our own node for machines without Gazebo. With output:=FOLDER
the robots collect what they see and then learn together.
"""

import atexit
import shutil
import tempfile
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from launch import LaunchDescription
from launch.actions import (
    AppendEnvironmentVariable,
    EmitEvent,
    GroupAction,
    IncludeLaunchDescription,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.event_handlers import OnProcessExit
from launch.events import matches_action
from launch.events.process import ShutdownProcess
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node, PushROSNamespace, SetParameter

from iot_fl_ros.ros.launching import (
    SHARE,
    USUAL,
    declare,
    given_numbers,
    is_true,
    our_node,
    parameter_file,
    values,
)
from iot_fl_ros.world.collection import LOOKING, OTHERS, OWN
from iot_fl_ros.world.gazebo import (
    CLOCK_BRIDGE,
    server_arguments,
    spawn_arguments,
    write_bridge,
)
from iot_fl_ros.world.plan import ROOMS
from iot_fl_ros.world.robot import PATROLS, patrol_route, robot_names
from iot_fl_ros.world.sdf import world_name
from iot_fl_ros.world.textures import prepare_world

ARGUMENTS = {
    'simulator': ('gazebo', 'gazebo, or mujoco where there is no Gazebo.', ('gazebo', 'mujoco')),
    'robots': ('4', 'Number of robots, named robot_0 and so on.'),
    'headless': ('true', 'No window; mujoco never has one.'),
    'world': ('', 'World file; empty = the hall, its textures are made the first time.'),
    'patrol': ('own', 'Rooms that each robot visits.', PATROLS),
    'loops': ('1', 'How many times each robot does its patrol; 0 = for ever.'),
    'real_time_factor': ('1.0', 'Simulated s in a real one; 0 = as fast as it can. mujoco only.'),
    'output': ('', 'Folder for what robots collect and learn; empty = they only patrol.'),
    'params_file': (str(SHARE / 'config/sim.yaml'), 'ROS parameter file, keyed /**, to learn by.'),
    'rounds': ('', 'Rounds of learning; empty = those of params_file.'),
    **USUAL,
    'use_sim_time': ('true', 'Follow /clock.'),
    'network_profile': ('camera', *USUAL['network_profile'][1:]),
}


def _actions(context):
    """Build the nodes; a function because the number of robots is an argument."""
    value = values(context, ARGUMENTS)
    names = robot_names(int(value['robots']))
    world = Path(value['world']).absolute() if value['world'] else prepare_world()
    simulators = {'gazebo': _gazebo, 'mujoco': _mujoco}
    patrols = _patrols(value, names)
    return [
        SetEnvironmentVariable('IOT_FL_NETWORK_PROFILE', value['network_profile']),
        # Before SetParameter: it makes /clock, so it does not follow it.
        *simulators[value['simulator']](value, world, names),
        SetParameter('use_sim_time', is_true('use_sim_time', value['use_sim_time'])),
        *(_collection(value, world, patrols) if value['output'] else ()),
        *(GroupAction([PushROSNamespace(name), patrol]) for name, patrol in patrols.items()),
    ]


def _mujoco(value, world, names):
    """Return our own simulator."""
    settings = {
        'world': str(world),
        'robots': len(names),
        'real_time_factor': float(value['real_time_factor']),
    }
    return [our_node('simulator', 'fleet', [settings], on_exit=Shutdown())]


def _gazebo(value, world, names):
    """Return Gazebo, the robots that are put into it, and a bridge for each of them."""
    try:
        source = Path(get_package_share_directory('ros_gz_sim')) / 'launch/gz_sim.launch.py'
    except PackageNotFoundError as error:
        raise RuntimeError(
            'simulator:=gazebo needs ros_gz (apt-get install ros-$ROS_DISTRO-ros-gz); without it '
            'choose simulator:=mujoco'
        ) from error
    gz_args = server_arguments(world, is_true('headless', value['headless']))
    server = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(source)),
        launch_arguments={'gz_args': gz_args, 'on_exit_shutdown': 'true'}.items(),
    )
    folder = Path(tempfile.mkdtemp(prefix='iot_fl_ros_bridge_'))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    name_of_world = world_name(world)
    robots = [
        action
        for index, name in enumerate(names)
        for action in (
            Node(
                package='ros_gz_sim',
                executable='create',
                output='screen',
                arguments=spawn_arguments(world, name_of_world, name, index),
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
    """Return the patrol of each robot by its name; none if nobody shall patrol."""
    if value['patrol'] == 'none':
        return {}
    return {
        name: our_node(
            'patrol',
            name,
            [
                {
                    'route': [str(room) for room in patrol_route(value['patrol'], index)],
                    'loops': int(value['loops']),
                    'wait_for': LOOKING if value['output'] else '',
                }
            ],
            respawn=False,  # it ends when it is done, which would count as dying
        )
        for index, name in enumerate(names)
    }


def _collection(value, world, patrols):
    """Return the collectors, which end with the patrols, and what comes after the last one."""
    if not patrols:
        raise ValueError('patrol:=none collects nothing: leave out output, or choose a patrol')
    folder = Path(value['output']).expanduser().absolute()
    collecting = set(patrols)

    def ended(name):
        """Return what happens when a robot has collected."""
        collecting.discard(name)
        return [] if collecting else _learning(value, folder, list(patrols))

    actions = []
    for index, (name, patrol) in enumerate(patrols.items()):
        settings = {'world': str(world), 'output': str(folder / name), 'rooms': [index % ROOMS]}
        collector = our_node('collector', name, [settings], respawn=False)
        end = EmitEvent(event=ShutdownProcess(process_matcher=matches_action(collector)))
        after = OpaqueFunction(function=lambda context, name=name: ended(name))
        actions += [
            RegisterEventHandler(OnProcessExit(target_action=patrol, on_exit=[end])),
            RegisterEventHandler(OnProcessExit(target_action=collector, on_exit=[after])),
            GroupAction([PushROSNamespace(name), collector]),
        ]
    return actions


def _learning(value, folder, names):
    """Return an aggregator, and a learner for each robot that has collected something.

    By real time: training takes as long as it takes, however fast the simulator runs.
    """
    idle = [name for name in names if not (folder / name / OWN).is_file()]
    names = [name for name in names if name not in idle]
    if not names:
        return [Shutdown(reason=f'no robot has collected anything, see {folder}')]
    notes = [LogInfo(msg=f'{name} has collected nothing and does not learn') for name in idle]
    own_rounds = given_numbers(run__rounds=value['rounds'])
    real_time = {'use_sim_time': False}
    run = {'run.robots': len(names), 'run.output': str(folder / 'run'), **real_time}
    file = parameter_file(LaunchConfiguration('params_file'))
    aggregator = our_node('aggregator', 'fleet', [file, run, own_rounds], namespace='fleet')
    learners = []
    for name in names:
        files = {'data.private': str(folder / name / OWN), **real_time}
        if (folder / name / OTHERS).is_file():
            files['data.test'] = str(folder / name / OTHERS)
        learner = our_node('learner', name, [file, files])
        learners.append(GroupAction([PushROSNamespace(name), learner]))
    return [*notes, aggregator, *learners]


def generate_launch_description():
    """Return the description of the simulated fleet."""
    return LaunchDescription([*declare(ARGUMENTS), OpaqueFunction(function=_actions)])
