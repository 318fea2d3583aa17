"""Joints of an SDFormat model: wheels that turn without end, each of them on one other link."""

from __future__ import annotations

from collections.abc import Collection
from xml.etree.ElementTree import Element

import numpy as np

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.world.elements import WORLD, Joint, Link
from iot_fl_ros.world.frames import Frames
from iot_fl_ros.world.poses import Matrix
from iot_fl_ros.world.sdf_text import (
    bound,
    direction,
    flag,
    refuse_others,
    refuse_unusual,
    text_of,
)

_FREE = 1e15  # a wheel's limits are further away than this
_NEAR = 1e-6  # m
_DEEPEST = 100  # links on one another; MuJoCo's bodies lie in one another
# Values of limits that stop, slow or weaken a wheel; an effort or a velocity below 0 is none.
_LIMITS = {
    'lower': (-_FREE, np.inf),
    'upper': (-np.inf, _FREE),
    'effort': (0.0, _FREE),
    'velocity': (0.0, _FREE),
}


def read_joint(
    model: str, scope: str, joint: Element, frames: Frames, links: Collection[str]
) -> Joint:
    """Read a joint of a model; scope: `model::` of the nested one that it is in."""
    name = scope + joint.get('name', '')
    where = f'{model}/{name}'
    if joint.get('type') not in ('revolute', 'continuous'):
        raise DataError(f'{where}: joint is {joint.get("type")!r}: only revolute is read')
    # What <physics> says is for one engine or another.
    refuse_others(joint, where, ('pose', 'parent', 'child', 'axis'), ('physics',))
    parent, below = (_end(where, joint, tag, scope, links) for tag in ('parent', 'child'))
    if below == WORLD:
        raise DataError(f'{where}: the child of a joint is a link, not the world')
    placed = frames.pose(joint, below, scope)
    hinge = np.linalg.inv(frames.named(below, '', where)) @ placed
    if np.abs(hinge[:3, 3]).max() > _NEAR:
        raise DataError(f'{where}: the pose of a joint is not read: place the link at its hinge')
    return Joint(name, parent, below, _axis(where, scope, joint, frames, placed, hinge))


def _end(where: str, joint: Element, tag: str, scope: str, links: Collection[str]) -> str:
    said = text_of(joint, tag)
    if said == WORLD:
        return said
    if scope + said not in links:
        raise DataError(f'{where}: {tag} is {said!r}: the name of a link is needed')
    return scope + said


def _axis(
    where: str, scope: str, joint: Element, frames: Frames, placed: Matrix, hinge: Matrix
) -> tuple[float, ...]:
    """Return the axis in the child's frame; it is given in the joint's, or in the one it names.

    placed, hinge: where the joint is in the model's frame and in the child's.
    """
    axis = joint.find('axis')
    if axis is not None:
        _check_axis(where, axis)
    said = joint.find('axis/xyz')
    expressed = '' if said is None else said.get('expressed_in', '')
    turn = hinge[:3, :3]
    if expressed:
        frame = frames.named(expressed, scope, f'{where}: axis')
        turn = turn @ placed[:3, :3].T @ frame[:3, :3]
    turned = turn @ direction(joint, 'axis/xyz', '0 0 1', where)
    # Without what rounding leaves where there is a 0.
    return tuple(float(value) for value in np.round(turned, 12) + 0.0)


def _check_axis(where: str, axis: Element) -> None:
    """Raise DataError for what hinders a wheel from turning."""
    refuse_others(axis, where, ('xyz', 'limit', 'dynamics', 'use_parent_model_frame'))
    if flag(axis, 'use_parent_model_frame'):
        raise DataError(
            f'{where}: <use_parent_model_frame> is of SDFormat up to 1.6: write '
            '<xyz expressed_in="__model__">, which 1.7 has'
        )
    # The rest is about springs that are not there, and stops that no wheel comes to.
    refuse_others(axis.find('limit'), where, _LIMITS, ('stiffness', 'dissipation'))
    strengths = ('damping', 'friction', 'spring_stiffness')
    refuse_others(axis.find('dynamics'), where, strengths, ('spring_reference',))
    for tag in strengths:
        refuse_unusual(axis, where, f'dynamics/{tag}', 0.0)
    for tag, (low, high) in _LIMITS.items():
        text = text_of(axis, f'limit/{tag}')
        if text and low <= bound(axis, f'limit/{tag}', 0.0) < high:
            raise DataError(
                f'{where}: axis/limit/{tag} is not read ({text}): wheels turn without end, and '
                'as their drive says'
            )


def check_tree(model: str, joints: Collection[Joint], links: Collection[Link]) -> None:
    """Raise DataError unless every link hangs on one other, and at last on none or the world."""
    above: dict[str, Joint] = {}
    for joint in joints:
        if joint.child in above:
            other = above[joint.child].name
            raise DataError(
                f'{model}/{joint.name}: {joint.child!r} is the child of joint {other!r} too'
            )
        above[joint.child] = joint
    for link in links:
        name = link.name
        for _ in range(_DEEPEST):
            if name not in above:
                break
            name = above[name].parent
        else:
            raise DataError(
                f'{model}/{link.name}: its joints are a ring, or hang more than {_DEEPEST} links '
                'on one another'
            )
