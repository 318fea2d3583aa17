"""Reads the part of SDFormat 1.9 that worlds of mobile robots need, without a library.

What is not understood is refused, not left out: a world must not look different in two
simulators. Plugins of Gazebo itself (physics, sensors, ...) say nothing about the world.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.world.elements import (
    Camera,
    Drive,
    Joint,
    Light,
    Link,
    Model,
    Part,
    Shape,
    Truth,
    Vector,
    World,
)
from iot_fl_ros.world.poses import Matrix, pose_matrix

_SIZES = {'box': 3, 'cylinder': 2, 'sphere': 1, 'plane': 2}
_UNLIMITED = 1e9  # m/s or rad/s
_GREY = '0.7 0.7 0.7 1'


def read_world(path: Path) -> World:
    """Read the world of an .sdf file; DataError names what is missing or not understood."""
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise DataError(f'cannot read {path}: {error}') from error
    if root.tag != 'sdf':
        raise DataError(f'{path} begins with <{root.tag}>: an SDFormat file begins with <sdf>')
    world = _child(root, 'world', str(path))
    return World(
        name=world.get('name', 'world'),
        step=_positive(world, 'physics/max_step_size', 0.004),
        gravity=_vector(world, 'gravity', '0 0 -9.81', 3),
        ambient=_vector(world, 'scene/ambient', '0.4 0.4 0.4 1', 4),
        background=_vector(world, 'scene/background', _GREY, 4),
        lights=tuple(_light(light) for light in world.findall('light')),
        models=tuple(_model(model) for model in world.findall('model')),
    )


def read_model(text: str) -> Model:
    """Read the only model of an SDFormat text."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise DataError(f'not XML: {error}') from error
    return _model(_child(root, 'model', 'the text'))


def _child(parent: Element, tag: str, where: str) -> Element:
    child = parent.find(tag)
    if child is None:
        raise DataError(f'{where} has no <{tag}>')
    return child


def _light(light: Element) -> Light:
    if light.get('type') != 'directional':
        raise DataError(f'light {light.get("name")!r} is not directional: nothing else is read')
    return Light(
        direction=_vector(light, 'direction', '0 0 -1', 3),
        diffuse=_vector(light, 'diffuse', '1 1 1 1', 4),
        shadows=_flag(light, 'cast_shadows'),
    )


def _model(model: Element) -> Model:
    name = model.get('name', '')
    plugins = {p.get('name', '').rpartition('::')[2]: p for p in model.findall('plugin')}
    unknown = set(plugins) - {'DiffDrive', 'OdometryPublisher'}
    if unknown:
        raise DataError(f'model {name!r}: plugin {unknown.pop()} is not known')
    drive, truth = plugins.get('DiffDrive'), plugins.get('OdometryPublisher')
    links = {link.get('name', ''): link for link in model.findall('link')}
    return Model(
        name=name,
        static=_flag(model, 'static'),
        pose=pose_matrix(model.findtext('pose')),
        links=tuple(_link(name, link, links) for link in links.values()),
        joints=tuple(_joint(name, joint) for joint in model.findall('joint')),
        drive=None if drive is None else _drive(name, drive),
        truth=None if truth is None else _truth(name, truth),
    )


def _link(model: str, link: Element, links: dict[str, Element]) -> Link:
    where = f'{model}/{link.get("name")}'
    inertia = 'inertial/inertia/'
    return Link(
        name=link.get('name', ''),
        pose=_link_pose(where, link, links),
        mass=_number(link, 'inertial/mass', 1.0),
        centre=tuple(pose_matrix(link.findtext('inertial/pose'))[:3, 3]),
        inertia=tuple(_number(link, inertia + axis, 1.0) for axis in ('ixx', 'iyy', 'izz')),
        parts=tuple(_part(where, p) for p in link if p.tag in ('visual', 'collision')),
        cameras=tuple(_camera(where, sensor) for sensor in link.findall('sensor')),
    )


def _link_pose(where: str, link: Element, links: dict[str, Element]) -> Matrix:
    pose = pose_matrix(link.findtext('pose'))
    element = link.find('pose')
    base = '' if element is None else element.get('relative_to', '')
    if not base or base == '__model__':
        return pose
    if base not in links or base == link.get('name'):
        raise DataError(f'{where}: pose is relative to {base!r}, which is no other link')
    above: Matrix = _link_pose(where, links[base], links) @ pose
    return above


def _part(where: str, part: Element) -> Part:
    name = f'{where}/{part.get("name")}'
    friction = 'surface/friction/ode/mu'
    return Part(
        name=name,
        pose=pose_matrix(part.findtext('pose')),
        shape=_shape(name, part),
        visible=part.tag == 'visual',
        colour=_vector(part, 'material/diffuse', _GREY, 4),
        texture=(part.findtext('material/pbr/metal/albedo_map') or '').strip(),
        friction=None if part.find(friction) is None else _number(part, friction, -1.0),
    )


def _shape(where: str, part: Element) -> Shape:
    kinds = list(_child(part, 'geometry', where))
    if len(kinds) != 1 or kinds[0].tag not in _SIZES:
        said = ', '.join(kind.tag for kind in kinds) or 'nothing'
        raise DataError(f'{where}: geometry is {said}: one of {", ".join(_SIZES)} is needed')
    shape, count = kinds[0], _SIZES[kinds[0].tag]
    if shape.tag in ('box', 'plane'):
        return Shape(shape.tag, _vector(shape, 'size', ' '.join(['1'] * count), count))
    names = ('radius', 'length')[:count]
    return Shape(shape.tag, tuple(_number(shape, name, 1.0) for name in names))


def _camera(where: str, sensor: Element) -> Camera:
    name = f'{where}/{sensor.get("name")}'
    if sensor.get('type') != 'camera':
        raise DataError(f'{name} is a sensor of type {sensor.get("type")!r}: only camera is read')
    camera = _child(sensor, 'camera', name)
    topic = (sensor.findtext('topic') or name).strip()
    info = topic.rpartition('/')[0] + '/camera_info'
    return Camera(
        name=name,
        pose=pose_matrix(sensor.findtext('pose')) @ pose_matrix(camera.findtext('pose')),
        topic=topic,
        info_topic=(camera.findtext('camera_info_topic') or info).strip(),
        frame_id=(camera.findtext('optical_frame_id') or name).strip(),
        width=int(_positive(camera, 'image/width', 320)),
        height=int(_positive(camera, 'image/height', 240)),
        horizontal_fov=_positive(camera, 'horizontal_fov', 1.047),
        rate=_positive(sensor, 'update_rate', 30.0),
    )


def _joint(model: str, joint: Element) -> Joint:
    name = joint.get('name', '')
    if joint.get('type') not in ('revolute', 'continuous'):
        raise DataError(f'{model}/{name}: joint is {joint.get("type")!r}: only revolute is read')
    return Joint(
        name=name,
        parent=joint.findtext('parent') or '',
        child=joint.findtext('child') or '',
        axis=_vector(joint, 'axis/xyz', '0 0 1', 3),
    )


def _drive(model: str, plugin: Element) -> Drive:
    return Drive(
        left=plugin.findtext('left_joint') or '',
        right=plugin.findtext('right_joint') or '',
        separation=_positive(plugin, 'wheel_separation', 1.0),
        radius=_positive(plugin, 'wheel_radius', 0.2),
        linear=_limits(plugin, 'linear'),
        angular=_limits(plugin, 'angular'),
        topic=plugin.findtext('topic') or f'/model/{model}/cmd_vel',
        odom_topic=plugin.findtext('odom_topic') or f'/model/{model}/odometry',
        odom_rate=_positive(plugin, 'odom_publish_frequency', 50.0),
        frame_id=plugin.findtext('frame_id') or f'{model}/odom',
        child_frame_id=plugin.findtext('child_frame_id') or f'{model}/base_link',
    )


def _limits(plugin: Element, kind: str) -> tuple[float, float]:
    low = _number(plugin, f'min_{kind}_velocity', -_UNLIMITED)
    return low, _number(plugin, f'max_{kind}_velocity', _UNLIMITED)


def _truth(model: str, plugin: Element) -> Truth:
    return Truth(
        topic=plugin.findtext('odom_topic') or f'/model/{model}/odometry',
        rate=_positive(plugin, 'odom_publish_frequency', 50.0),
        frame_id=plugin.findtext('odom_frame') or f'{model}/odom',
        child_frame_id=plugin.findtext('robot_base_frame') or f'{model}/base_footprint',
    )


def _number(element: Element, path: str, default: float) -> float:
    return _vector(element, path, repr(default), 1)[0]


def _positive(element: Element, path: str, default: float) -> float:
    value = _number(element, path, default)
    if value <= 0:
        where = element.get('name') or element.tag
        raise DataError(f'{where}: {path} is {value:g}: more than 0 is needed')
    return value


def _vector(element: Element, path: str, default: str, count: int) -> Vector:
    text = element.findtext(path) or default
    try:
        values = tuple(float(value) for value in text.split())
    except ValueError:
        values = ()
    if len(values) != count or not np.isfinite(values).all():
        where = element.get('name') or element.tag
        raise DataError(f'{where}: {path} is {text!r}: {count} numbers are needed')
    return values


def _flag(element: Element, path: str) -> bool:
    return (element.findtext(path) or 'false').strip() in ('true', '1')
