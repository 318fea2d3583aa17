"""One robot that takes part in federated runs, under its own namespace."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node, PushROSNamespace, SetParameter
from launch_ros.parameter_descriptions import ParameterFile

ARGUMENTS = {
    'namespace': ('robot_0', 'Namespace of the robot, and its robot id.'),
    'params_file': ('', 'ROS parameter file keyed /**; needed.'),
    'use_sim_time': ('false', 'Follow /clock.'),
    'log_level': ('info', 'Log level of the node.'),
    'use_respawn': ('false', 'Start the node again when it dies.'),
    'network_profile': ('same-host', 'same-host, wifi, large-data or discovery-server.'),
}


def generate_launch_description():
    """Return the description of one learner."""
    settings = {name: LaunchConfiguration(name) for name in ARGUMENTS}
    learner = Node(
        package='iot_fl_ros',
        executable='learner',
        output='screen',
        respawn=settings['use_respawn'],
        respawn_delay=2.0,
        arguments=['--ros-args', '--log-level', settings['log_level']],
        parameters=[
            ParameterFile(settings['params_file'], allow_substs=True),
        ],
    )
    return LaunchDescription(
        [
            DeclareLaunchArgument(name, default_value=default, description=text)
            for name, (default, text) in ARGUMENTS.items()
        ]
        + [
            GroupAction(
                [
                    SetEnvironmentVariable('IOT_FL_NETWORK_PROFILE', settings['network_profile']),
                    PushROSNamespace(settings['namespace']),
                    SetParameter('use_sim_time', settings['use_sim_time']),
                    learner,
                ]
            )
        ]
    )
