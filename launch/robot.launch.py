"""One robot that takes part in federated runs, under its own namespace."""

from launch import LaunchDescription
from launch.actions import GroupAction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import PushROSNamespace

from iot_fl_ros.ros.launching import (
    AUTOSTART,
    SHARE,
    USUAL,
    declare,
    everywhere,
    our_node,
    parameter_file,
)

ARGUMENTS = {
    'namespace': ('robot_0', 'Namespace of the robot, and its robot id.'),
    'params_file': (
        str(SHARE / 'config/demo.yaml'),
        'ROS parameter file keyed /**; as it is, the robot takes part in the demo.',
    ),
    **AUTOSTART,
    **USUAL,
}


def generate_launch_description():
    """Return the description of one learner."""
    namespace = LaunchConfiguration('namespace')
    learner = our_node(
        'learner',
        namespace,
        [
            parameter_file(LaunchConfiguration('params_file')),
            {'autostart': LaunchConfiguration('autostart')},
        ],
    )
    group = GroupAction([*everywhere(), PushROSNamespace(namespace), learner])
    return LaunchDescription([*declare(ARGUMENTS), group])
