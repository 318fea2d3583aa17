"""The frames of an SDFormat model or world: where its links, models, frames and joints are.

A pose is in the frame that `relative_to` names, else in that of what the element is part of
(SDFormat specification, "Pose frame semantics").
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

import numpy as np

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.world.poses import Matrix, element_pose

_ROOT = ('world', '__root__')


class Frames:
    """The frames that elements of a world, or of one model, can name.

    Poses are returned in the frame of that world or model, the root. Names inside of a nested
    model begin with `model::`. where: the root's name, for errors.
    """

    def __init__(self, parent: Element, where: str) -> None:
        self._where = where
        self._elements: dict[str, Element] = {}
        self._found: dict[str, Matrix] = {}
        self._add(parent, '')

    def _add(self, parent: Element, prefix: str) -> None:
        for one in parent:
            if one.tag not in ('link', 'frame', 'model', 'joint'):
                continue
            name = prefix + one.get('name', '')
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
        above: Matrix = self._frame(name, where) @ element_pose(element.find('pose'), where)
        return above

    def _base(self, element: Element, default: str, scope: str) -> tuple[str, str]:
        """Return the frame that the pose of an element is in, and its name for errors."""
        pose = element.find('pose')
        named = '' if pose is None else pose.get('relative_to', '')
        where = f'{self._where}/{scope}{element.get("name", element.tag)}'
        return (self._scoped(named, scope) if named else default), where

    @staticmethod
    def _scoped(name: str, scope: str) -> str:
        if name in _ROOT:
            return ''
        return scope.removesuffix('::') if name == '__model__' else scope + name

    def _frame(self, name: str, where: str) -> Matrix:
        """Return where a frame is; the root has no name."""
        chain: dict[str, tuple[Element, str]] = {}  # from this frame to one that is known
        while name and name not in self._found:
            element = self._elements.get(name)
            if element is None or name in chain:
                reason = 'which is not there' if element is None else 'which is relative to it'
                raise DataError(f'{where}: pose is relative to {name!r}, {reason}')
            scope = name[: len(name) - len(element.get('name', ''))]
            usual = self._scoped(_attached_to(element), scope)
            base, where = self._base(element, usual, scope)
            chain[name] = element, where
            name = base
        pose: Matrix = self._found[name] if name else np.eye(4)
        for own, (element, said) in reversed(chain.items()):
            pose = self._found[own] = pose @ element_pose(element.find('pose'), said)
        return pose


def _attached_to(element: Element) -> str:
    """Return what an element is placed at if it names no frame."""
    attached = {
        'frame': element.get('attached_to', ''),
        'joint': (element.findtext('child') or '').strip(),
    }
    return attached.get(element.tag, '') or '__model__'
