"""Shared by our launch files: the usual arguments, and the start of one of our nodes.

Only launch files import this: `launch` has no wheel, so nothing else may.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, SomeSubstitutionsType
from launch.actions import DeclareLaunchArgument, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration, PythonExpression
from launch_ros.actions import Node, SetParameter
from launch_ros.parameter_descriptions import ParameterFile, ParameterValue

from iot_fl_ros.core.names import robot_ids
from iot_fl_ros.ros.network_profile import DEFAULT, PROFILES

SHARE = Path(get_package_share_directory('iot_fl_ros'))
_YES = ('true', '1', 'yes', 'on')
_NO = ('false', '0', 'no', 'off')

# name -> default, description, choices (none = any)
Argument = tuple[str, str] | tuple[str, str, Sequence[str]]
USUAL: dict[str, Argument] = {
    'use_sim_time': ('false', 'Follow /clock.'),
    'log_level': ('info', 'Log level of the nodes.'),
    'use_respawn': ('false', 'Start nodes again when they die.'),
    'network_profile': (
        DEFAULT,
        'Fast DDS settings of config/network, see docs/network.md.',
        PROFILES,
    ),
    'security_enclave': (
        '',
        'SROS 2 enclaves: each node has ENCLAVE/<robot>/<executable>; empty = none.',
    ),
}
AUTOSTART: dict[str, Argument] = {
    'autostart': ('true', 'Configure and activate the lifecycle nodes at start.'),
}


def declare(arguments: Mapping[str, Argument]) -> list[DeclareLaunchArgument]:
    """Return the declarations of `arguments`."""
    return [
        DeclareLaunchArgument(
            name,
            default_value=argument[0],
            description=argument[1],
            choices=argument[2] if len(argument) > 2 else None,
        )
        for name, argument in arguments.items()
    ]


def values(context: LaunchContext, arguments: Iterable[str]) -> dict[str, str]:
    """Return what was given for `arguments`, for an OpaqueFunction."""
    return {name: LaunchConfiguration(name).perform(context) for name in arguments}


def is_true(name: str, text: str) -> bool:
    """Return the truth of an argument, spelt true, True, 1, yes, on or the contrary."""
    if text.lower() not in _YES + _NO:
        raise ValueError(f'{name} is {text!r}: choose true or false')
    return text.lower() in _YES


def everywhere() -> list[Any]:
    """Return the actions that hold for all nodes after them: clock and network."""
    return [
        SetEnvironmentVariable('IOT_FL_NETWORK_PROFILE', LaunchConfiguration('network_profile')),
        SetParameter('use_sim_time', LaunchConfiguration('use_sim_time')),
    ]


def our_node(
    executable: str, owner: SomeSubstitutionsType, parameters: Sequence[Any], **options: Any
) -> Node:
    """Return one of our nodes with the usual arguments, inside or outside an OpaqueFunction.

    owner: robot (or fleet) whose node it is, for the security enclave. options: of Node.
    """
    respawn = {'respawn': LaunchConfiguration('use_respawn'), 'respawn_delay': 2.0}
    return Node(
        package='iot_fl_ros',
        executable=executable,
        output='screen',
        ros_arguments=[*_log_level(), *_enclave(executable, owner)],
        parameters=list(parameters),
        **{**respawn, **options},
    )


def _log_level() -> list[Any]:
    return ['--log-level', LaunchConfiguration('log_level')]


def _enclave(executable: str, owner: SomeSubstitutionsType) -> list[Any]:
    """Return the ROS arguments of an enclave; of the default one, /, if none is asked for."""
    prefix = LaunchConfiguration('security_enclave')
    own = [prefix, '/', owner, f'/{executable}']
    return ['--enclave', PythonExpression(["'", *own, "' if '", prefix, "' else '/'"])]


def parameter_file(path: SomeSubstitutionsType) -> ParameterFile:
    """Return a parameter file in which $(env ...) and the like are replaced."""
    return ParameterFile(path, allow_substs=True)


def method_file(method: str) -> list[Any]:
    """Return the parameter file of a method, its name alone if it has none; '' = nothing."""
    if not method:
        return []
    path = SHARE / 'config' / f'{method}.yaml'
    return [str(path)] if path.is_file() else [{'method.name': method}]


def text(value: SomeSubstitutionsType) -> ParameterValue:
    """Return a parameter that stays text even if it looks like a number."""
    return ParameterValue(value, value_type=str)


def given(**named: str) -> dict[str, Any]:
    """Return the parameters whose text is not empty; names have __ for a dot."""
    return {name.replace('__', '.'): text(value) for name, value in named.items() if value}


def given_numbers(**named: str) -> dict[str, int]:
    """Return the integer parameters whose text is not empty; names have __ for a dot."""
    return {name.replace('__', '.'): int(value) for name, value in named.items() if value}


def robot_names(robots: int, robot: str = '') -> list[tuple[int, str]]:
    """Return index and name of `robots` robots, or of `robot` alone; ValueError if it is none."""
    names = robot_ids(robots)
    if robot and robot not in names:
        raise ValueError(f'robot is {robot!r}: choose one of {", ".join(names)}')
    return [(index, name) for index, name in enumerate(names) if robot in ('', name)]
