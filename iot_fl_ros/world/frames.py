"""The frames of an SDFormat model or world: where its links, models, frames and joints are.

A pose is in the frame that `relative_to` names, else in that of what the element is part of
(SDFormat specification, "Pose frame semantics").
"""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

import numpy as np

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.world.poses import Matrix, element_pose
from iot_fl_ros.world.sdf_text import own_name

_RESERVED = re.compile('world|__.*__', re.DOTALL)


class Frames:
    """The frames that elements of a world, or of one model, can name.

    Poses are returned in the frame of that world or model, the root. Names inside of a nested
    model begin with `model::`. where: the root's name, for errors.
    """

    def __init__(self, parent: Element, where: str) -> None:
        self._where = where
        self._of_world = parent.tag == 'world'
        self._elements: dict[str, Element] = {}
        self._found: dict[str, Matrix] = {}
        self._add(parent, '')

    def _add(self, parent: Element, prefix: str) -> None:
        for one in parent:
            if one.tag not in ('link', 'frame', 'model', 'joint'):
                continue
            name = prefix + own_name(one, self._where)
            if _RESERVED.fullmatch(one.get('name', '')):
                raise DataError(f'{self._where}: {name!r} is a name that SDFormat keeps to itself')
            if name in self._elements:
                raise DataError(f'{self._where}: two elements are called {name!r}')
            self._elements[name] = one
            if one.tag == 'model':
                self._add(one, f'{name}::')

    def pose(self, element: Element, default: str = '', scope: str = '') -> Matrix:
        """Return where an element is, in the root's frame.

        default: its frame if it names none; scope: `model::` of the nested model that it is in.
        """
        name, where = self._base(element, default, scope)
        own = element_pose(element.find('pose'), where)
        above: Matrix = self._frame(name, f'{where}: pose') @ own
        return above

    def named(self, name: str, scope: str, what: str) -> Matrix:
        """Return where the frame of this name is; what: is given relative to it, for errors."""
        return self._frame(self._scoped(name, scope), what)

    def _base(self, element: Element, default: str, scope: str) -> tuple[str, str]:
        """Return the frame that the pose of an element is in, and its name for errors."""
        pose = element.find('pose')
        named = '' if pose is None else pose.get('relative_to', '')
        where = f'{self._where}/{scope}{element.get("name", element.tag)}'
        return (self._scoped(named, scope) if named else default), where

    def _scoped(self, name: str, scope: str) -> str:
        """Return a name as the root knows it; its own is `world` or `__model__`, not both."""
        own = 'world' if self._of_world and not scope else '__model__'
        return scope.removesuffix('::') if name == own else scope + name

    def _frame(self, name: str, what: str) -> Matrix:
        """Return where a frame is; the root has no name. what: is relative to it, for errors."""
        chain: dict[str, tuple[Element, str]] = {}  # from this frame to one that is known
        while name and name not in self._found:
            element = self._elements.get(name)
            if element is None or name in chain:
                reason = 'which is not there' if element is None else 'which is relative to it'
                raise DataError(f'{what} is relative to {name!r}, {reason}')
            scope = name[: len(name) - len(element.get('name', ''))]
            attached = _attached_to(element)
            usual = self._scoped(attached, scope) if attached else scope.removesuffix('::')
            base, where = self._base(element, usual, scope)
            chain[name] = element, where
            name, what = base, f'{where}: pose'
        pose: Matrix = self._found[name] if name else np.eye(4)
        for own, (element, where) in reversed(chain.items()):
            pose = self._found[own] = pose @ element_pose(element.find('pose'), where)
        return pose


def _attached_to(element: Element) -> str:
    """Return what an element is placed at if it names no frame; nothing: what it is part of."""
    attached = {
        'frame': element.get('attached_to', ''),
        'joint': (element.findtext('child') or '').strip(),
    }
    return attached.get(element.tag, '')
