"""From SDFormat to MuJoCo: writes a world and its robots as MJCF.

Names: a link's body is `model/link`, a joint `model/joint`, a camera `model/link/camera`.
A box with a texture becomes a mesh whose faces show it as Gazebo's boxes do: on each side face
upright and not mirrored for who stands before it. MuJoCo's own show a texture on two faces only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.world.elements import WORLD, Camera, Joint, Link, Model, Part, World
from iot_fl_ros.world.poses import Matrix, quaternion

# The default shadow map and multisampling take 14 times as long on a CPU.
SHADOW_MAP, SAMPLES = 512, 0
VISIBLE_GROUP, COLLISION_GROUP = 1, 3
_NEAR, _FAR, _EXTENT = 0.05, 50.0, 10.0  # m; cameras have their own near and far
# Wheels follow their commanded speed closely, as Gazebo's do.
_WHEEL_GAIN, _ROTOR = 1.0, 0.01  # N m s/rad, kg m2
_ROUNDING = 1e-6
_SLIPPERY = 0.01  # coefficient below which there is no friction
# For each face of a box its outward normal and, seen from outside, the direction to the right.
_FACES = (
    ((1, 0, 0), (0, 1, 0)), ((-1, 0, 0), (0, -1, 0)), ((0, 1, 0), (-1, 0, 0)),
    ((0, -1, 0), (1, 0, 0)), ((0, 0, 1), (0, -1, 0)), ((0, 0, -1), (0, 1, 0)),
)  # fmt: skip
# Corners of a face: to the right, up, and where in the picture (0, 0 is its top left).
_CORNERS = ((-1, -1, 0, 1), (1, -1, 1, 1), (1, 1, 1, 0), (-1, 1, 0, 0))
# SDFormat cameras look along +x with z up, MuJoCo's along -z with y up.
_CAMERA_TURN = np.array([[0, 0, -1, 0], [-1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]], float)


@dataclass
class Mjcf:
    """A model for `mujoco.MjModel.from_xml_string(xml, assets)`."""

    root: Element
    assets: dict[str, bytes] = field(default_factory=dict)

    @property
    def xml(self) -> str:
        """Text of the model."""
        return ElementTree.tostring(self.root, encoding='unicode')


def convert(world: World, folder: Path, robots: Sequence[Model]) -> Mjcf:
    """Return world and robots as MJCF; folder: where the textures' paths begin.

    DataError if a texture is missing or something cannot be expressed.
    """
    models = (*world.models, *robots)
    _check_models(models)
    mjcf = Mjcf(Element('mujoco', model=world.name))
    _write_options(mjcf.root, world)
    asset = SubElement(mjcf.root, 'asset')
    sky = ' '.join(map(str, world.background[:3]))
    SubElement(asset, 'texture', type='skybox', builtin='flat', rgb1=sky, width='8', height='48')
    parts = [part for model in models for link in model.links for part in link.parts]
    _write_textures(mjcf, asset, folder, (part for part in parts if part.visible))
    _check_shadows(world, parts)
    body = SubElement(mjcf.root, 'worldbody')
    for light in world.lights:
        SubElement(
            body, 'light', type='directional', dir=_text(light.direction), pos='0 0 5',
            diffuse=_text(light.diffuse[:3]), specular='0 0 0', ambient='0 0 0',
            castshadow=str(light.shadows).lower(),
        )  # fmt: skip
    actuators, contact = (SubElement(mjcf.root, tag) for tag in ('actuator', 'contact'))
    for model in models:
        if model.static:
            _write_static(body, model)
        else:
            _write_moving(body, actuators, model)
            _write_exclusions(contact, model)
    _check_names(mjcf.root)
    return mjcf


def _check_models(models: Iterable[Model]) -> None:
    """Raise DataError for two models of one name: those of a world are unique, but for robots."""
    names: set[str] = set()
    for model in models:
        if model.name in names:
            raise DataError(
                f'a robot and a model of the world are called {model.name!r}: rename it'
            )
        names.add(model.name)


def _check_shadows(world: World, parts: Iterable[Part]) -> None:
    """Raise DataError for a visual without a shadow where others have one: MuJoCo gives it one."""
    for part in parts if any(light.shadows for light in world.lights) else ():
        if not part.shadows:
            raise DataError(
                f'{part.name}: cast_shadows false is not read while a light casts shadows'
            )


def _check_names(root: Element) -> None:
    """Raise DataError for two names that are one when joined."""
    for tags in (('body',), ('joint', 'freejoint'), ('camera',), ('velocity',)):
        names: set[str] = set()
        for name in (one.attrib['name'] for tag in tags for one in root.iter(tag)):
            if name in names:
                raise DataError(
                    f'two things are called {name!r}, which joins names of models, links, joints '
                    'and cameras by "/": rename one'
                )
            names.add(name)


def _write_options(root: Element, world: World) -> None:
    SubElement(root, 'compiler', angle='radian', autolimits='true')
    SubElement(
        root, 'option', timestep=f'{world.step:g}', gravity=_text(world.gravity),
        integrator='implicitfast',
    )  # fmt: skip
    SubElement(root, 'statistic', extent=f'{_EXTENT:g}', center='0 0 0')
    visual = SubElement(root, 'visual')
    SubElement(visual, 'map', znear=f'{_NEAR / _EXTENT:g}', zfar=f'{_FAR / _EXTENT:g}')
    SubElement(visual, 'quality', shadowsize=str(SHADOW_MAP), offsamples=str(SAMPLES))
    SubElement(
        visual, 'headlight', ambient=_text(world.ambient[:3]), diffuse='0 0 0', specular='0 0 0'
    )


def _write_textures(mjcf: Mjcf, asset: Element, folder: Path, parts: Iterable[Part]) -> None:
    meshes, materials = set(), set()
    for part in parts:
        if not part.texture:
            continue
        if part.shape.kind != 'box':
            raise DataError(f'{part.name}: a texture on a {part.shape.kind}: only boxes bear one')
        if part.shape.size not in meshes:
            meshes.add(part.shape.size)
            _add_box_mesh(asset, _mesh_name(part), part.shape.size)
        if part.texture not in mjcf.assets:
            try:
                mjcf.assets[part.texture] = (folder / part.texture).read_bytes()
            except OSError as error:
                raise DataError(
                    f'{part.name}: no texture {folder / part.texture}: open the file that '
                    'iot_fl_ros.world.textures.prepare_world() returns'
                ) from error
            SubElement(asset, 'texture', type='2d', name=part.texture, file=part.texture)
        if (name := _material_name(part)) not in materials:
            materials.add(name)
            SubElement(
                asset, 'material', name=name, texture=part.texture, specular='0', shininess='0',
                rgba=_text(part.colour),
            )  # fmt: skip


def _add_box_mesh(asset: Element, name: str, size: Sequence[float]) -> None:
    """Add a mesh asset for a box of these sides, m."""
    vertices: list[Any] = []
    normals, coordinates, triangles = [], [], []
    for normal, right in np.array(_FACES, float):
        up = np.cross(normal, right)
        first = len(vertices)
        for to_right, to_up, u, v in _CORNERS:
            vertices.append((normal + to_right * right + to_up * up) * np.array(size) / 2)
            normals.append(normal)
            coordinates.append((u, v))
        triangles += [(first, first + 1, first + 2), (first, first + 2, first + 3)]
    SubElement(
        asset, 'mesh', name=name, vertex=_text(vertices), normal=_text(normals),
        texcoord=_text(coordinates), face=_text(triangles),
    )  # fmt: skip


def _write_static(body: Element, model: Model) -> None:
    """Write a model that does not move as geoms of the world."""
    for link in model.links:
        for part in link.parts:
            _write_geom(body, model.pose @ link.pose @ part.pose, part)
        for camera in link.cameras:
            _write_camera(body, model.pose @ link.pose, camera)


def _write_moving(world: Element, actuators: Element, model: Model) -> None:
    joints = {joint.child: joint for joint in model.joints}
    links = {link.name: link for link in model.links}
    bodies: dict[str, Element] = {}

    def write(link: Link) -> Element:
        if link.name in bodies:
            return bodies[link.name]
        joint = joints.get(link.name)
        if joint is None or joint.parent == WORLD:
            parent, pose = world, model.pose @ link.pose
        else:
            above = links[joint.parent]
            parent, pose = write(above), np.linalg.inv(above.pose) @ link.pose
        bodies[link.name] = _write_body(parent, model, link, joint, pose)
        return bodies[link.name]

    for link in model.links:
        write(link)
    if model.drive is not None:
        for wheel in (model.drive.left, model.drive.right):
            name = f'{model.name}/{wheel}'
            SubElement(actuators, 'velocity', name=name, joint=name, kv=f'{_WHEEL_GAIN:g}')


def _write_exclusions(contact: Element, model: Model) -> None:
    """Keep links of one model from colliding, but for those that self_collide.

    A joint makes links of a nested model those of its parent's. MuJoCo itself keeps apart the two
    that a joint joins.
    """
    above = {joint.child: joint.parent for joint in model.joints if joint.parent != WORLD}

    def scope(name: str) -> str:
        while name in above:
            name = above[name]
        return name.rpartition('::')[0]

    solid = [link for link in model.links if any(not part.visible for part in link.parts)]
    for one, other in combinations(solid, 2):
        if one.self_collide or other.self_collide or scope(one.name) != scope(other.name):
            continue
        first, second = (f'{model.name}/{link.name}' for link in (one, other))
        SubElement(contact, 'exclude', body1=first, body2=second)


def _write_body(
    parent: Element, model: Model, link: Link, joint: Joint | None, pose: Matrix
) -> Element:
    body = SubElement(parent, 'body', {'name': f'{model.name}/{link.name}', **_pose(pose)})
    if joint is None:
        SubElement(body, 'freejoint', name=free_joint(model.name, link.name))
    else:
        SubElement(
            body, 'joint', name=f'{model.name}/{joint.name}', type='hinge',
            axis=_text(joint.axis), armature=f'{_ROTOR:g}',
        )  # fmt: skip
    inertial = SubElement(body, 'inertial', pos=_text(link.centre), mass=f'{link.mass:g}')
    _check_inertia(f'{model.name}/{link.name}', link)
    if any(link.inertia[3:]):
        inertial.set('fullinertia', _text(link.inertia))
    else:
        inertial.set('diaginertia', _text(link.inertia[:3]))
    for part in link.parts:
        if part.shape.kind == 'plane':
            raise DataError(
                f'{part.name}: a plane in a model that moves: make it static, or a box'
            )
        _write_geom(body, part.pose, part)
    for camera in link.cameras:
        _write_camera(body, np.eye(4), camera)
    return body


def free_joint(model: str, link: str) -> str:
    """Return the name of the joint that lets a link move freely."""
    return f'{model}/{link}/free'


def _check_inertia(where: str, link: Link) -> None:
    """Raise DataError for moments that no body can have."""
    xx, yy, zz, xy, xz, yz = link.inertia
    small, middle, large = np.linalg.eigvalsh([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    if link.mass <= 0 or small <= 0 or small + middle < large * (1 - _ROUNDING):
        moments = _text((small, middle, large))
        raise DataError(
            f'{where}: mass {link.mass:g} with principal moments of inertia {moments}: all are '
            'above 0, and none is larger than the other two together'
        )


def _write_geom(parent: Element, pose: Matrix, part: Part) -> None:
    geom = SubElement(parent, 'geom', {'mass': '0', **_pose(pose)})
    kind, size = part.shape.kind, part.shape.size
    if part.texture and part.visible:
        geom.attrib |= {'type': 'mesh', 'mesh': _mesh_name(part)}
        geom.set('material', _material_name(part))
    else:
        sizes = {
            'box': [side / 2 for side in size],
            'cylinder': [size[0], size[-1] / 2],
            'sphere': [size[0]],
            'plane': [*(side / 2 for side in size), 1.0],
        }
        geom.attrib |= {'type': kind, 'size': _text(sizes[kind]), 'rgba': _text(part.colour)}
    if part.visible:
        geom.attrib |= {'contype': '0', 'conaffinity': '0', 'group': str(VISIBLE_GROUP)}
        return
    geom.set('group', str(COLLISION_GROUP))
    if part.friction is None:
        return
    geom.set('priority', '1')  # this one's friction counts, not the larger of both
    if part.friction < _SLIPPERY:
        geom.set('condim', '1')  # a friction cone of next to no width makes the solver explode
    else:
        geom.set('friction', f'{part.friction:g} 0.005 0.0001')


def _write_camera(parent: Element, link: Matrix, camera: Camera) -> None:
    half = math.tan(camera.horizontal_fov / 2) * camera.height / camera.width
    fovy = f'{2 * math.atan(half) * 180 / math.pi:.9g}'
    pose = _pose(link @ camera.pose @ _CAMERA_TURN)
    SubElement(parent, 'camera', {'name': camera.name, 'fovy': fovy, **pose})


def _material_name(part: Part) -> str:
    return f'{part.texture} {_text(part.colour)}'


def _mesh_name(part: Part) -> str:
    return 'box ' + _text(part.shape.size)


def _pose(pose: Matrix) -> dict[str, str]:
    return {'pos': _text(pose[:3, 3]), 'quat': _text(quaternion(pose))}


def _text(values: Any) -> str:
    """Return numbers, or rows of them, one after the other."""
    return ' '.join(f'{value:.9g}' for value in np.ravel(values))
