"""Reads the part of SDFormat 1.4 to 1.12 that worlds of mobile robots need, without a library.

What is not understood is refused, not left out: a world must not look different in two simulators.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.world.elements import Light, Link, Model, Vector, World
from iot_fl_ros.world.frames import Frames
from iot_fl_ros.world.poses import Matrix
from iot_fl_ros.world.sdf_joints import check_tree, read_joint
from iot_fl_ros.world.sdf_parts import read_camera, read_part
from iot_fl_ros.world.sdf_plugins import plugins_of, read_drive, read_truth, refuse_plugins
from iot_fl_ros.world.sdf_text import (
    child,
    colour,
    direction,
    flag,
    flag_attribute,
    number,
    only_child,
    own_name,
    parse,
    positive,
    refuse_others,
    unique,
    vector,
)

_SHORTEST_STEP = 1e-6  # s
# What Gazebo does by itself, or what nobody sees here.
_OF_GAZEBO = ('gui', 'audio', 'wind', 'atmosphere', 'magnetic_field', 'spherical_coordinates')
# How fast, by what engine and with what solver Gazebo simulates.
_OF_ENGINES = (
    'real_time_factor', 'real_time_update_rate', 'max_contacts', 'magnetic_field', 'ode', 'dart',
    'bullet', 'simbody',
)  # fmt: skip
# Directional lights do not become weaker with distance; nothing shines here.
_OF_OTHER_LIGHTS = ('specular', 'attenuation', 'spot', 'visualize')


def read_world(path: Path) -> World:
    """Read the world of an .sdf file; DataError names what is missing or not understood."""
    world = only_child(_root(path), 'world', str(path))
    name = own_name(world, str(path))
    where = f'world {name!r}'
    read = ('scene', 'gravity', 'light', 'model', 'frame', 'physics', 'plugin')
    refuse_others(world, where, read, _OF_GAZEBO)
    refuse_plugins(world, where)
    scene = world.find('scene')
    refuse_others(scene, where, ('ambient', 'background', 'shadows'), ('grid', 'origin_visual'))
    frames = Frames(world, name)
    lights = world.findall('light')
    unique(lights, where)
    shadows = flag(world, 'scene/shadows', True)
    return World(
        name=name,
        step=_step(world, where),
        gravity=vector(world, 'gravity', '0 0 -9.8', 3),
        ambient=colour(world, 'scene/ambient', '0.4 0.4 0.4 1'),
        background=colour(world, 'scene/background', '0.7 0.7 0.7 1'),
        lights=tuple(
            _light(light, frames, shadows) for light in lights if flag(light, 'light_on', True)
        ),
        models=tuple(_model(one, frames.pose(one)) for one in world.findall('model')),
    )


def world_name(path: Path) -> str:
    """Return the name of the world of an .sdf file, whatever else is in it."""
    return own_name(child(_root(path), 'world', str(path)), str(path))


def read_model(text: str) -> Model:
    """Read the only model of an SDFormat text."""
    model = only_child(parse(text, 'the text'), 'model', 'the text')
    return _model(model, Frames(model, own_name(model, 'the text')).pose(model))


def _root(path: Path) -> Element:
    try:
        text = path.read_text(errors='replace')
    except (OSError, ValueError) as error:  # ValueError: no path at all
        raise DataError(f'cannot read {path}: {error}') from error
    return parse(text, str(path))


def _step(world: Element, where: str) -> float:
    """Return the step of the <physics> that is the default, else of the first, s."""
    every = world.findall('physics')
    for physics in every:
        refuse_others(physics, f'{where}, physics', ('max_step_size',), _OF_ENGINES)
    chosen = [one for one in every if flag_attribute(one, 'default')] or every
    step = positive(chosen[0], 'max_step_size', 0.001) if chosen else 0.001
    if step < _SHORTEST_STEP:
        raise DataError(f'{where}: max_step_size is {step:g}: at least {_SHORTEST_STEP:g} is read')
    return step


def _light(light: Element, frames: Frames, shadows: bool) -> Light:
    where = f'light {light.get("name")!r}'
    if light.get('type') != 'directional':
        raise DataError(f'{where} is not directional: nothing else is read')
    read = ('pose', 'direction', 'diffuse', 'intensity', 'cast_shadows', 'light_on')
    refuse_others(light, where, read, _OF_OTHER_LIGHTS)
    intensity = number(light, 'intensity', 1.0)
    if intensity < 0:
        raise DataError(f'{where}: intensity is {intensity:g}: at least 0 is needed')
    turn = frames.pose(light)[:3, :3]
    ahead = turn @ np.array(direction(light, 'direction', '0 0 -1', where))
    return Light(
        direction=tuple(map(float, ahead)),
        diffuse=tuple(intensity * one for one in colour(light, 'diffuse', '1 1 1 1')),
        shadows=shadows and flag(light, 'cast_shadows'),
    )


def _model(model: Element, pose: Matrix) -> Model:
    name = model.get('name', '')
    plugins = plugins_of(model, f'model {name!r}')
    drive, truth = plugins.get('DiffDrive'), plugins.get('OdometryPublisher')
    frames = Frames(model, name)
    parts = list(_with_nested(model, ''))
    links = tuple(
        _link(name, scope, link, frames, flag(part, 'self_collide'))
        for scope, part in parts
        for link in part.findall('link')
    )
    names = [link.name for link in links]
    joints = tuple(
        read_joint(name, scope, joint, frames, names)
        for scope, part in parts
        for joint in part.findall('joint')
    )
    check_tree(name, joints, links)
    wheels = [joint.name for joint in joints]
    return Model(
        name=name,
        static=flag(model, 'static'),
        pose=pose,
        links=links,
        joints=joints,
        drive=None if drive is None else read_drive(name, drive, wheels),
        truth=None if truth is None else read_truth(name, truth),
    )


def _with_nested(model: Element, scope: str) -> Iterator[tuple[str, Element]]:
    """Yield (scope, model) of a model and of those inside of it, which become parts of it."""
    where = f'model {scope}{model.get("name")}'
    read = ('static', 'pose', 'link', 'joint', 'frame', 'model', 'plugin', 'self_collide')
    refuse_others(model, where, (*read, 'enable_wind'), ('allow_auto_disable',))
    if flag(model, 'enable_wind'):
        raise DataError(f'{where}: enable_wind is not read: there is no wind here')
    if model.get('placement_frame'):
        raise DataError(f'{where}: placement_frame is not read')
    yield scope, model
    for nested in model.findall('model'):
        inner = nested.get('name', '')
        refuse_plugins(nested, f'{where}, model {inner!r} inside of it')
        if flag(nested, 'static') and not flag(model, 'static'):
            raise DataError(f'{where}: static of model {inner!r} in one that moves is not read')
        yield from _with_nested(nested, f'{scope}{inner}::')


def _link(model: str, scope: str, link: Element, frames: Frames, self_collide: bool) -> Link:
    name = scope + link.get('name', '')
    where = f'{model}/{name}'
    read = (
        'pose', 'inertial', 'visual', 'collision', 'sensor', 'gravity', 'kinematic',
        'self_collide', 'enable_wind',
    )  # fmt: skip
    ignored = ('must_be_base_link', 'velocity_decay', 'battery', 'audio_sink', 'audio_source')
    refuse_others(link, where, read, ignored)
    if not flag(link, 'gravity', True) or flag(link, 'kinematic') or flag(link, 'enable_wind'):
        raise DataError(f'{where}: gravity, kinematic and enable_wind of a link are not read')
    for tag in ('visual', 'collision', 'sensor'):
        unique(link.findall(tag), f'{where}, {tag}')
    # In the frame of the link: most parts name no other one.
    to_link = np.linalg.inv(frames.pose(link, scope.removesuffix('::'), scope))

    def inside(element: Element) -> Matrix:
        pose: Matrix = to_link @ frames.pose(element, name, scope)
        return pose

    centre, inertia = _inertia(where, link, inside)
    return Link(
        name=name,
        pose=np.linalg.inv(to_link),
        mass=number(link, 'inertial/mass', 1.0),
        centre=centre,
        inertia=inertia,
        parts=tuple(
            read_part(where, one, inside(one))
            for one in link
            if one.tag in ('visual', 'collision')
        ),
        cameras=tuple(read_camera(where, one, inside(one)) for one in link.findall('sensor')),
        self_collide=flag(link, 'self_collide', self_collide),
    )


def _inertia(
    where: str, link: Element, inside: Callable[[Element], Matrix]
) -> tuple[Vector, Vector]:
    """Return the centre of mass, and the moments about it along the link's axes."""
    inertial = link.find('inertial')
    if inertial is None:
        return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0, 0.0, 0.0, 0.0)
    # Density is for Gazebo to make moments of, if it is told to.
    refuse_others(inertial, where, ('mass', 'pose', 'inertia'), ('density', 'auto_inertia_params'))
    if flag_attribute(inertial, 'auto'):
        raise DataError(f'{where}: <inertial auto="true"> is not read: write mass and moments')
    if any(one.get('relative_to') for one in inertial.findall('pose')):
        raise DataError(f'{where}: the pose of <inertial> is that in its link: no relative_to')
    pose = inside(inertial)
    path = 'inertia/'
    xx, yy, zz = (number(inertial, path + one, 1.0) for one in ('ixx', 'iyy', 'izz'))
    xy, xz, yz = (number(inertial, path + one, 0.0) for one in ('ixy', 'ixz', 'iyz'))
    own = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    turned = pose[:3, :3] @ own @ pose[:3, :3].T
    places = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
    return tuple(map(float, pose[:3, 3])), tuple(float(turned[place]) for place in places)
