"""What an SDFormat link bears: visuals, collisions and cameras."""

from __future__ import annotations

import math
from collections.abc import Mapping
from xml.etree.ElementTree import Element

import numpy as np

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.world.elements import Camera, Part, Shape, Vector
from iot_fl_ros.world.poses import Matrix, element_pose, upright_on
from iot_fl_ros.world.sdf_text import (
    child,
    colour,
    direction,
    flag,
    number,
    positive,
    refuse_others,
    refuse_unusual,
    share,
    sizes,
    text_of,
    whole,
)

# What is read, and what is passed over, by the path of its parent.
Children = Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]
_SHAPES = ('box', 'cylinder', 'sphere', 'plane')
_GREY = (0.7, 0.7, 0.7, 1.0)  # without any <material>
_BLACK = '0 0 0 1'  # of a <material> that does not say
# Nothing shines here; Gazebo takes the ambient colour from the diffuse one; boxes have no inside.
_UNSEEN = ('ambient', 'specular', 'shininess', 'render_order', 'double_sided')
_UNSEEN_METAL = ('metalness', 'roughness', 'metalness_map', 'roughness_map', 'environment_map')
# Children of <surface> that are read, and those of other engines, of no effect, or about how hard
# contacts are, which is MuJoCo's own.
_SURFACE: Children = {
    '.': (('friction', 'bounce', 'contact'), ()),
    'friction': (('ode',), ('bullet', 'torsional')),
    'friction/ode': (('mu', 'mu2', 'slip1', 'slip2'), ('fdir1',)),
    'bounce': (('restitution_coefficient',), ('threshold',)),
    'contact': (
        ('collide_without_contact', 'collide_bitmask', 'category_bitmask'),
        ('collide_without_contact_bitmask', 'poissons_ratio', 'elastic_modulus', 'ode', 'bullet'),
    ),
}
_USUAL_SURFACE = {
    'friction/ode/slip1': 0,
    'friction/ode/slip2': 0,
    'bounce/restitution_coefficient': 0,
    'contact/collide_bitmask': 0xFFFF,
    'contact/category_bitmask': 0xFFFF,
}
_ALL_BITS = 0xFFFFFFFF  # a visual for all cameras, a camera of all visuals
_MOST_PIXELS = 16384  # a side; no graphics library draws more
_NEAREST, _FARTHEST = 1e-3, 1e6  # m; where graphics libraries can draw
# Children of elements of <camera> that are read; those of <lens> that are passed over say what
# only a wide angle does.
_CAMERA: Children = {
    '.': (
        ('pose', 'image', 'camera_info_topic', 'optical_frame_id', 'horizontal_fov', 'clip',
         'visibility_mask', 'lens', 'distortion', 'noise', 'triggered'),
        ('save', 'trigger_topic'),
    ),
    'image': (('width', 'height', 'format'), ('anti_aliasing',)),
    'clip': (('near', 'far'), ()),
    'lens': (('type',), ('scale_to_hfov', 'cutoff_angle', 'env_texture_size')),
    'distortion': (('k1', 'k2', 'k3', 'p1', 'p2'), ('center',)),
    'noise': (('type', 'mean', 'stddev'), ()),
}  # fmt: skip
_USUAL_CAMERA = {
    'visibility_mask': _ALL_BITS,
    **{f'distortion/{one}': 0 for one in _CAMERA['distortion'][0]},
    'noise/mean': 0,
    'noise/stddev': 0,
}


def read_part(where: str, part: Element, pose: Matrix) -> Part:
    """Read a visual or a collision of the link `where`; pose: in the link's frame."""
    name = f'{where}/{part.get("name")}'
    visible = part.tag == 'visual'
    if visible:
        read = ('pose', 'geometry', 'material', 'transparency', 'cast_shadows', 'visibility_flags')
        refuse_others(part, name, read, ('laser_retro', 'meta'))
        refuse_unusual(part, name, 'visibility_flags', _ALL_BITS)
    else:
        ignored = ('laser_retro', 'max_contacts', 'density', 'auto_inertia_params')
        refuse_others(part, name, ('pose', 'geometry', 'surface'), ignored)
    red, green, blue, alpha = _colour(name, part.find('material'))
    shape, turn = _shape(name, part)
    return Part(
        name=name,
        pose=pose @ turn,
        shape=shape,
        visible=visible,
        colour=(red, green, blue, alpha * (1.0 - share(part, 'transparency', 0.0))),
        texture=text_of(part, 'material/pbr/metal/albedo_map'),
        friction=_friction(name, part.find('surface')),
        shadows=flag(part, 'cast_shadows', True),
    )


def _colour(where: str, material: Element | None) -> Vector:
    if material is None:
        return _GREY
    if material.find('script') is not None:
        raise DataError(f'{where}: a material <script> is not read: give <diffuse>')
    said = f'{where}, material'
    refuse_others(material, said, ('diffuse', 'emissive', 'lighting', 'pbr'), _UNSEEN)
    refuse_others(material.find('pbr'), said, ('metal',))
    refuse_others(material.find('pbr/metal'), said, ('albedo_map',), _UNSEEN_METAL)
    if any(colour(material, 'emissive', _BLACK)[:3]) or not flag(material, 'lighting', True):
        raise DataError(f'{said}: emissive and lighting are not read: leave them out')
    return colour(material, 'diffuse', _BLACK)


def _friction(where: str, surface: Element | None) -> float | None:
    """Return the coefficient in all directions; None: that of MuJoCo, 1 as SDFormat's own is."""
    if surface is None:
        return None
    said = f'{where}, surface'
    _check(said, surface, _SURFACE, _USUAL_SURFACE)
    if flag(surface, 'contact/collide_without_contact'):
        raise DataError(f'{said}: collide_without_contact is not read')
    mu, mu2 = (number(surface, f'friction/ode/{tag}', 1.0) for tag in ('mu', 'mu2'))
    if mu != mu2 or mu < 0:
        raise DataError(f'{said}: mu is {mu:g} and mu2 {mu2:g}: the same is needed, at least 0')
    return None if surface.find('friction/ode/mu') is None else mu


def _check(where: str, element: Element, known: Children, usual: Mapping[str, float]) -> None:
    """Raise DataError for what is not known below an element, and for unusual numbers."""
    for path, (read, ignored) in known.items():
        refuse_others(element.find(path), where, read, ignored)
    for path, value in usual.items():
        refuse_unusual(element, where, path, value)


def _shape(where: str, part: Element) -> tuple[Shape, Matrix]:
    """Return a shape and how it is turned: only planes are, by their normal."""
    kinds = list(child(part, 'geometry', where))
    if len(kinds) != 1 or kinds[0].tag not in _SHAPES:
        said = ', '.join(kind.tag for kind in kinds) or 'nothing'
        raise DataError(f'{where}: geometry is {said}: one of {", ".join(_SHAPES)} is needed')
    (shape,) = kinds
    if shape.tag == 'plane':
        normal = direction(shape, 'normal', '0 0 1', where)
        return Shape('plane', sizes(shape, 'size', '1 1', 2, where)), upright_on(normal)
    if shape.tag == 'box':
        return Shape('box', sizes(shape, 'size', '1 1 1', 3, where)), np.eye(4)
    names = ('radius', 'length') if shape.tag == 'cylinder' else ('radius',)
    size = tuple(sizes(shape, name, '1', 1, where)[0] for name in names)
    return Shape(shape.tag, size), np.eye(4)


def read_camera(where: str, sensor: Element, pose: Matrix) -> Camera:
    """Read a sensor of the link `where`, which is a camera; pose: in the link's frame."""
    name = f'{where}/{sensor.get("name")}'
    if sensor.get('type') != 'camera':
        raise DataError(f'{name} is a sensor of type {sensor.get("type")!r}: only camera is read')
    ignored = ('always_on', 'visualize', 'enable_metrics')
    frames = ('gz_frame_id', 'ignition_frame_id')
    refuse_others(sensor, name, ('pose', 'topic', 'update_rate', 'camera', *frames), ignored)
    camera = child(sensor, 'camera', name)
    _check_camera(name, camera)
    topic = text_of(sensor, 'topic', name)
    info = topic.rpartition('/')[0] + '/camera_info'
    frame_id = text_of(sensor, 'gz_frame_id') or text_of(sensor, 'ignition_frame_id', name)
    near, far = number(camera, 'clip/near', 0.1), number(camera, 'clip/far', 100.0)
    if not _NEAREST <= near < far <= _FARTHEST:
        raise DataError(
            f'{name}: clip is from {near:g} to {far:g}: near is less than far, both within '
            f'{_NEAREST:g} to {_FARTHEST:g} m'
        )
    return Camera(
        name=name,
        pose=pose @ element_pose(camera.find('pose'), name),
        topic=topic,
        info_topic=text_of(camera, 'camera_info_topic', info),
        frame_id=text_of(camera, 'optical_frame_id', frame_id),
        width=whole(camera, 'image/width', 320, _MOST_PIXELS),
        height=whole(camera, 'image/height', 240, _MOST_PIXELS),
        horizontal_fov=positive(camera, 'horizontal_fov', 1.047),
        near=near,
        far=far,
        rate=_rate(name, sensor),
    )


def _check_camera(where: str, camera: Element) -> None:
    """Raise DataError for what is not read of a camera."""
    _check(where, camera, _CAMERA, _USUAL_CAMERA)
    if flag(camera, 'triggered'):
        raise DataError(f'{where}: triggered is not read: pictures are taken by update_rate')
    lens = text_of(camera, 'lens/type', 'stereographic')
    if camera.find('lens') is not None and lens != 'gnomonical':
        raise DataError(f'{where}: lens/type is {lens!r}: only gnomonical is read')
    form = text_of(camera, 'image/format', 'R8G8B8')
    if form not in ('R8G8B8', 'RGB_INT8'):
        raise DataError(f'{where}: image/format is {form!r}: only R8G8B8 is read')
    pose = camera.find('pose')
    if pose is not None and pose.get('relative_to'):
        raise DataError(
            f'{where}: the pose of <camera> is relative to {pose.get("relative_to")!r}: only that '
            'of <sensor> may be'
        )
    if number(camera, 'horizontal_fov', 1.047) >= math.pi:
        said = camera.findtext('horizontal_fov')
        raise DataError(f'{where}: horizontal_fov is {said}: less than pi is needed')


def _rate(where: str, sensor: Element) -> float:
    """Return pictures a second; in SDFormat none, or 0, is one in each step of the world."""
    if number(sensor, 'update_rate', 0.0) == 0:
        raise DataError(
            f'{where}: update_rate is 0: more than 0 is needed, there is no picture each step'
        )
    return positive(sensor, 'update_rate', 0.0)
