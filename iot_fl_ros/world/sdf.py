"""Reads the part of SDFormat 1.9 that worlds of mobile robots need, without a library.

What is not understood is refused, not left out: a world must not look different in two
simulators. Plugins of Gazebo itself (physics, sensors, ...) say nothing about the world.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
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
from iot_fl_ros.world.frames import Frames
from iot_fl_ros.world.poses import Matrix, element_pose, upright_on
from iot_fl_ros.world.sdf_text import (
    child,
    colour,
    flag,
    name_of,
    number,
    parse,
    positive,
    refuse_others,
    unique,
    vector,
)

_SIZES = {'box': 3, 'cylinder': 2, 'sphere': 1, 'plane': 2}
_UNLIMITED = 1e9  # m/s or rad/s
_FREE = 1e15  # rad: a wheel's limits are further away than this
_GREY = '0.7 0.7 0.7 1'
# What Gazebo does by itself, or what nobody sees here.
_OF_GAZEBO = (
    'physics', 'plugin', 'gui', 'audio', 'wind', 'atmosphere', 'magnetic_field',
    'spherical_coordinates',
)  # fmt: skip


def read_world(path: Path) -> World:
    """Read the world of an .sdf file; DataError names what is missing or not understood."""
    world = _world(path)
    name = world.get('name', 'world')
    read = ('scene', 'gravity', 'light', 'model', 'frame')
    refuse_others(world, f'world {name!r}', read, _OF_GAZEBO)
    frames = Frames(world, name)
    lights = world.findall('light')
    unique(lights, f'world {name!r}')
    return World(
        name=name,
        step=positive(world, 'physics/max_step_size', 0.004),
        gravity=vector(world, 'gravity', '0 0 -9.81', 3),
        ambient=colour(world, 'scene/ambient', '0.4 0.4 0.4 1'),
        background=colour(world, 'scene/background', _GREY),
        lights=tuple(_light(light, frames) for light in lights if flag(light, 'light_on', True)),
        models=tuple(_model(one, frames.pose(one)) for one in world.findall('model')),
    )


def world_name(path: Path) -> str:
    """Return the name of the world of an .sdf file, whatever else is in it."""
    return _world(path).get('name', 'world')


def read_model(text: str) -> Model:
    """Read the only model of an SDFormat text."""
    model = child(parse(text, 'the text'), 'model', 'the text')
    return _model(model, Frames(model, model.get('name', '')).pose(model))


def _world(path: Path) -> Element:
    try:
        text = path.read_text(errors='replace')
    except OSError as error:
        raise DataError(f'cannot read {path}: {error}') from error
    return child(parse(text, str(path)), 'world', str(path))


def _light(light: Element, frames: Frames) -> Light:
    if light.get('type') != 'directional':
        raise DataError(f'light {light.get("name")!r} is not directional: nothing else is read')
    turn = frames.pose(light)[:3, :3]
    direction = turn @ np.array(vector(light, 'direction', '0 0 -1', 3))
    return Light(
        direction=tuple(map(float, direction)),
        diffuse=colour(light, 'diffuse', '1 1 1 1'),
        shadows=flag(light, 'cast_shadows'),
    )


def _model(model: Element, pose: Matrix) -> Model:
    name = model.get('name', '')
    plugins = {p.get('name', '').rpartition('::')[2]: p for p in model.findall('plugin')}
    unknown = set(plugins) - {'DiffDrive', 'OdometryPublisher'}
    if unknown:
        raise DataError(f'model {name!r}: plugin {unknown.pop()} is not known')
    if model.get('placement_frame'):
        raise DataError(f'model {name!r}: placement_frame is not read')
    drive, truth = plugins.get('DiffDrive'), plugins.get('OdometryPublisher')
    frames = Frames(model, name)
    parts = list(_with_nested(model, ''))
    return Model(
        name=name,
        static=flag(model, 'static'),
        pose=pose,
        links=tuple(
            _link(name, scope, link, frames)
            for scope, part in parts
            for link in part.findall('link')
        ),
        joints=tuple(
            _joint(name, scope, joint, frames)
            for scope, part in parts
            for joint in part.findall('joint')
        ),
        drive=None if drive is None else _drive(name, drive),
        truth=None if truth is None else _truth(name, truth),
    )


def _with_nested(model: Element, scope: str) -> Iterator[tuple[str, Element]]:
    """Yield (scope, model) of a model and of those inside of it, which become parts of it."""
    where = f'model {scope}{name_of(model)}'
    read = ('static', 'pose', 'link', 'joint', 'frame', 'model', 'plugin')
    refuse_others(model, where, read, ('self_collide', 'allow_auto_disable', 'enable_wind'))
    yield scope, model
    for nested in model.findall('model'):
        if nested.find('plugin') is not None or nested.get('placement_frame'):
            inner = nested.get('name')
            raise DataError(f'{where}: plugins, placement_frame of model {inner!r} are not read')
        yield from _with_nested(nested, f'{scope}{nested.get("name", "")}::')


def _link(model: str, scope: str, link: Element, frames: Frames) -> Link:
    name = scope + link.get('name', '')
    where = f'{model}/{name}'
    read = ('pose', 'inertial', 'visual', 'collision', 'sensor', 'gravity', 'kinematic')
    ignored = ('self_collide', 'enable_wind', 'must_be_base_link', 'velocity_decay', 'battery')
    refuse_others(link, where, read, (*ignored, 'audio_sink', 'audio_source'))
    if not flag(link, 'gravity', True) or flag(link, 'kinematic'):
        raise DataError(f'{where}: gravity and kinematic of a link are not read')
    for tag in ('visual', 'collision', 'sensor'):
        unique(link.findall(tag), f'{where}, {tag}')
    # In the frame of the link: most parts name no other one.
    to_link = np.linalg.inv(frames.pose(link, scope.removesuffix('::'), scope))

    def inside(element: Element) -> Matrix:
        pose: Matrix = to_link @ frames.pose(element, name, scope)
        return pose

    centre, inertia = _inertia(link, inside)
    return Link(
        name=name,
        pose=np.linalg.inv(to_link),
        mass=number(link, 'inertial/mass', 1.0),
        centre=centre,
        inertia=inertia,
        parts=tuple(
            _part(where, one, inside(one)) for one in link if one.tag in ('visual', 'collision')
        ),
        cameras=tuple(_camera(where, one, inside(one)) for one in link.findall('sensor')),
    )


def _inertia(link: Element, inside: Callable[[Element], Matrix]) -> tuple[Vector, Vector]:
    """Return the centre of mass, and the moments about it along the link's axes."""
    inertial = link.find('inertial')
    if inertial is None:
        return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0, 0.0, 0.0, 0.0)
    pose = inside(inertial)
    path = 'inertia/'
    xx, yy, zz = (number(inertial, path + one, 1.0) for one in ('ixx', 'iyy', 'izz'))
    xy, xz, yz = (number(inertial, path + one, 0.0) for one in ('ixy', 'ixz', 'iyz'))
    own = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    turned = pose[:3, :3] @ own @ pose[:3, :3].T
    places = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
    return tuple(map(float, pose[:3, 3])), tuple(float(turned[place]) for place in places)


def _part(where: str, part: Element, pose: Matrix) -> Part:
    name = f'{where}/{part.get("name")}'
    visible = part.tag == 'visual'
    if visible:
        ignored = ('cast_shadows', 'visibility_flags', 'laser_retro', 'meta')
        refuse_others(part, name, ('pose', 'geometry', 'material', 'transparency'), ignored)
    else:
        ignored = ('laser_retro', 'max_contacts', 'density', 'auto_inertia_params')
        refuse_others(part, name, ('pose', 'geometry', 'surface'), ignored)
    material = part.find('material')
    if material is not None and material.find('script') is not None:
        raise DataError(f'{name}: a material <script> is not read: give <diffuse>')
    friction = 'surface/friction/ode/mu'
    red, green, blue, alpha = colour(part, 'material/diffuse', _GREY)
    shape, turn = _shape(name, part)
    return Part(
        name=name,
        pose=pose @ turn,
        shape=shape,
        visible=visible,
        colour=(red, green, blue, alpha * (1.0 - number(part, 'transparency', 0.0))),
        texture=(part.findtext('material/pbr/metal/albedo_map') or '').strip(),
        friction=None if part.find(friction) is None else number(part, friction, -1.0),
    )


def _shape(where: str, part: Element) -> tuple[Shape, Matrix]:
    """Return a shape and how it is turned: only planes are, by their normal."""
    kinds = list(child(part, 'geometry', where))
    if len(kinds) != 1 or kinds[0].tag not in _SIZES:
        said = ', '.join(kind.tag for kind in kinds) or 'nothing'
        raise DataError(f'{where}: geometry is {said}: one of {", ".join(_SIZES)} is needed')
    shape, count = kinds[0], _SIZES[kinds[0].tag]
    if shape.tag == 'plane':
        normal = vector(shape, 'normal', '0 0 1', 3)
        if not any(normal):
            raise DataError(f'{where}: the normal of a plane is of length 0')
        return Shape('plane', vector(shape, 'size', '1 1', 2)), upright_on(normal)
    if shape.tag == 'box':
        return Shape('box', vector(shape, 'size', '1 1 1', 3)), np.eye(4)
    names = ('radius', 'length')[:count]
    return Shape(shape.tag, tuple(number(shape, name, 1.0) for name in names)), np.eye(4)


def _camera(where: str, sensor: Element, pose: Matrix) -> Camera:
    name = f'{where}/{sensor.get("name")}'
    if sensor.get('type') != 'camera':
        raise DataError(f'{name} is a sensor of type {sensor.get("type")!r}: only camera is read')
    camera = child(sensor, 'camera', name)
    read = ('pose', 'image', 'camera_info_topic', 'optical_frame_id', 'horizontal_fov')
    refuse_others(camera, name, read, ('clip', 'save', 'visibility_mask'))
    form = (camera.findtext('image/format') or 'R8G8B8').strip()
    if form not in ('R8G8B8', 'RGB_INT8'):
        raise DataError(f'{name}: image/format is {form!r}: only R8G8B8 is read')
    topic = (sensor.findtext('topic') or name).strip()
    info = topic.rpartition('/')[0] + '/camera_info'
    return Camera(
        name=name,
        pose=pose @ element_pose(camera.find('pose'), name),
        topic=topic,
        info_topic=(camera.findtext('camera_info_topic') or info).strip(),
        frame_id=(camera.findtext('optical_frame_id') or name).strip(),
        width=int(positive(camera, 'image/width', 320)),
        height=int(positive(camera, 'image/height', 240)),
        horizontal_fov=positive(camera, 'horizontal_fov', 1.047),
        rate=positive(sensor, 'update_rate', 30.0),
    )


def _joint(model: str, scope: str, joint: Element, frames: Frames) -> Joint:
    name = scope + joint.get('name', '')
    where = f'{model}/{name}'
    if joint.get('type') not in ('revolute', 'continuous'):
        raise DataError(f'{where}: joint is {joint.get("type")!r}: only revolute is read')
    refuse_others(joint, where, ('pose', 'parent', 'child', 'axis'), ('physics',))
    for limit, sign in (('lower', -1), ('upper', 1)):
        text = (joint.findtext(f'axis/limit/{limit}') or '').strip()
        if (
            text not in ('', 'inf', '-inf', '+inf')
            and sign * number(joint, f'axis/limit/{limit}', sign * _FREE) < _FREE
        ):
            raise DataError(f'{where}: axis/limit/{limit} is not read: wheels turn without end')
    below = scope + (joint.findtext('child') or '').strip()
    pose = joint.find('pose')
    if pose is not None and not np.allclose(element_pose(pose, where), np.eye(4)):
        raise DataError(f'{where}: the pose of a joint is not read: place the link at its hinge')
    axis = joint.find('axis/xyz')
    expressed = '' if axis is None else axis.get('expressed_in', '')
    if expressed and scope + expressed != below:
        raise DataError(f'{where}: an axis expressed in {expressed!r} is not read')
    return Joint(
        name=name,
        parent=scope + (joint.findtext('parent') or '').strip(),
        child=below,
        axis=vector(joint, 'axis/xyz', '0 0 1', 3),
    )


def _drive(model: str, plugin: Element) -> Drive:
    return Drive(
        left=plugin.findtext('left_joint') or '',
        right=plugin.findtext('right_joint') or '',
        separation=positive(plugin, 'wheel_separation', 1.0),
        radius=positive(plugin, 'wheel_radius', 0.2),
        linear=_limits(plugin, 'linear'),
        angular=_limits(plugin, 'angular'),
        topic=plugin.findtext('topic') or f'/model/{model}/cmd_vel',
        odom_topic=plugin.findtext('odom_topic') or f'/model/{model}/odometry',
        odom_rate=positive(plugin, 'odom_publish_frequency', 50.0),
        frame_id=plugin.findtext('frame_id') or f'{model}/odom',
        child_frame_id=plugin.findtext('child_frame_id') or f'{model}/base_link',
    )


def _limits(plugin: Element, kind: str) -> tuple[float, float]:
    low = number(plugin, f'min_{kind}_velocity', -_UNLIMITED)
    return low, number(plugin, f'max_{kind}_velocity', _UNLIMITED)


def _truth(model: str, plugin: Element) -> Truth:
    return Truth(
        topic=plugin.findtext('odom_topic') or f'/model/{model}/odometry',
        rate=positive(plugin, 'odom_publish_frequency', 50.0),
        frame_id=plugin.findtext('odom_frame') or f'{model}/odom',
        child_frame_id=plugin.findtext('robot_base_frame') or f'{model}/base_footprint',
    )
