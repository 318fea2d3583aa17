"""Plugins of SDFormat: DiffDrive and OdometryPublisher are read, Gazebo's usual ones known.

A plugin is called by its name, `gz::sim::systems::DiffDrive`, or by its file alone,
`gz-sim-diff-drive-system`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from xml.etree.ElementTree import Element

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.world.elements import Drive, Truth
from iot_fl_ros.world.sdf_text import bound, positive, refuse_others, text_of

_UNLIMITED = 1e9  # m/s or rad/s
_DRIVE = (
    'left_joint', 'right_joint', 'wheel_separation', 'wheel_radius', 'topic', 'odom_topic',
    'odom_publish_frequency', 'frame_id', 'child_frame_id', 'min_linear_velocity',
    'max_linear_velocity', 'min_angular_velocity', 'max_angular_velocity',
)  # fmt: skip
_TRUTH = ('odom_topic', 'odom_publish_frequency', 'odom_frame', 'robot_base_frame')
# Topics that are not published here, and what concerns them: the truth is always of 3 dimensions.
_UNPUBLISHED = ('tf_topic', 'odom_covariance_topic', 'dimensions')
_READ = ('DiffDrive', 'OdometryPublisher')
# Systems of Gazebo that change neither the pictures nor the motion of robots: what makes the world
# go that is simulated here too, sensors, and what tells others of it.
_HARMLESS = (
    'Physics', 'UserCommands', 'SceneBroadcaster', 'Sensors', 'Contact', 'Imu', 'AirPressure',
    'AirSpeed', 'Altimeter', 'Magnetometer', 'NavSat', 'ForceTorque', 'LogicalCamera',
    'DopplerVelocityLogSystem', 'ThermalSensor', 'LogRecord', 'JointStatePublisher',
    'PosePublisher', 'KineticEnergyMonitor', 'TouchPlugin', 'PerformerDetector', 'EntitySemantics',
    'Label',
)  # fmt: skip
_NAME = re.compile(r'(?:(?:gz|ignition)::)?(?:(?:sim|gazebo)::)?(?:systems::)?(\w+)', re.ASCII)
_FILE = re.compile(r'(?:lib)?(?:gz-sim|ignition-gazebo)\d*-([\w-]+)-system(?:\.so)?', re.ASCII)
_BY_FILE = {
    **{name.lower(): name for name in (*_READ, *_HARMLESS)},
    'dvl': 'DopplerVelocityLogSystem',
}
# What Sensors is told that does not colour the pictures.
_OF_SENSORS = ('render_engine', 'disable_on_drained_battery')


def plugins_of(model: Element, where: str) -> dict[str, Element]:
    """Return the plugins of a model that are read; DataError names one that is not known."""
    found: dict[str, Element] = {}
    for plugin in model.findall('plugin'):
        name = _known(plugin, where)
        if name in found:
            raise DataError(f'{where}: more than one {name}')
        if name in _READ:
            found[name] = plugin
    return found


def refuse_plugins(parent: Element, where: str) -> None:
    """Raise DataError for plugins that are read, which this one cannot have, or not known."""
    for name in plugins_of(parent, where):
        raise DataError(f'{where}: plugin {name} is read of a model that is in the world itself')


def _known(plugin: Element, where: str) -> str:
    """Return the class of a plugin."""
    said, file = (plugin.get(one, '').strip() for one in ('name', 'filename'))
    match, of_file = _NAME.fullmatch(said), _FILE.fullmatch(file)
    name = match[1] if match else ''
    if not said and of_file:
        name = _BY_FILE.get(of_file[1].replace('-', ''), '')
    if name not in (*_READ, *_HARMLESS):
        raise DataError(f'{where}: plugin {said or file or "without a name"} is not known')
    if name == 'Sensors':
        refuse_others(plugin, f'{where}, plugin Sensors', _OF_SENSORS)
    return name


def read_drive(model: str, plugin: Element, joints: Collection[str]) -> Drive:
    """Read a DiffDrive; joints: the names of those of its model."""
    where = f'model {model!r}, DiffDrive'
    refuse_others(plugin, where, _DRIVE, ('tf_topic',))
    return Drive(
        left=_wheel(where, plugin, 'left_joint', joints),
        right=_wheel(where, plugin, 'right_joint', joints),
        separation=positive(plugin, 'wheel_separation', 1.0),
        radius=positive(plugin, 'wheel_radius', 0.2),
        linear=_limits(where, plugin, 'linear'),
        angular=_limits(where, plugin, 'angular'),
        topic=text_of(plugin, 'topic', f'/model/{model}/cmd_vel'),
        odom_topic=text_of(plugin, 'odom_topic', f'/model/{model}/odometry'),
        odom_rate=positive(plugin, 'odom_publish_frequency', 50.0),
        frame_id=text_of(plugin, 'frame_id', f'{model}/odom'),
        child_frame_id=text_of(plugin, 'child_frame_id', f'{model}/base_link'),
    )


def _wheel(where: str, plugin: Element, tag: str, joints: Collection[str]) -> str:
    said = [(one.text or '').strip() for one in plugin.findall(tag)]
    if len(said) != 1:
        raise DataError(f'{where}: {len(said)} <{tag}> are there: one is needed')
    if said[0] not in joints:
        known = ', '.join(joints) or 'none'
        raise DataError(f'{where}: {tag} is {said[0]!r}: the joints of the model are {known}')
    return said[0]


def _limits(where: str, plugin: Element, kind: str) -> tuple[float, float]:
    low = max(bound(plugin, f'min_{kind}_velocity', -_UNLIMITED), -_UNLIMITED)
    high = min(bound(plugin, f'max_{kind}_velocity', _UNLIMITED), _UNLIMITED)
    if low > high:
        raise DataError(f'{where}: min_{kind}_velocity is {low:g}, and the max {high:g}')
    return low, high


def read_truth(model: str, plugin: Element) -> Truth:
    """Read an OdometryPublisher."""
    refuse_others(plugin, f'model {model!r}, OdometryPublisher', _TRUTH, _UNPUBLISHED)
    return Truth(
        topic=text_of(plugin, 'odom_topic', f'/model/{model}/odometry'),
        rate=positive(plugin, 'odom_publish_frequency', 50.0),
        frame_id=text_of(plugin, 'odom_frame', f'{model}/odom'),
        child_frame_id=text_of(plugin, 'robot_base_frame', f'{model}/base_footprint'),
    )
