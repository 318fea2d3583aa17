"""SDFormat as XML: parsed as generously as Gazebo's own parser, checked element by element."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.world.elements import Vector

# tinyxml2, which Gazebo uses, takes `--` inside a comment and prefixes that nobody declared.
_TAG = re.compile(r'<(/?)([\w.-]+):')
_ATTRIBUTE = re.compile(r'(\s)(?!xmlns:)([\w.-]+):([\w.-]+\s*=)')
_DEEPEST = 100
_TRUE, _FALSE = ('true', '1'), ('false', '0')


def parse(text: str, where: str) -> Element:
    """Return the root, which is <sdf>; prefixes of names become `prefix.`. DataError if not."""
    text = _without_comments(text)
    text = _TAG.sub(r'<\1\2.', text)
    # Attributes are inside of tags alone; elsewhere nothing looks like one but prose.
    text = re.sub(r'<[^<>]*>', lambda tag: _ATTRIBUTE.sub(r'\1\2.\3', tag[0]), text)
    try:
        root = ElementTree.fromstring(text.strip())
    except ElementTree.ParseError as error:
        raise DataError(f'cannot read {where}: {error}') from error
    if root.tag != 'sdf':
        raise DataError(f'{where} begins with <{root.tag}>: an SDFormat file begins with <sdf>')
    _check_depth(root, where)
    return root


def _check_depth(root: Element, where: str) -> None:
    """Raise DataError for elements inside of elements without end; models are read recursively."""
    level = [root]
    for _ in range(_DEEPEST):
        level = [inner for one in level for inner in one]
    if level:
        raise DataError(f'{where}: elements lie more than {_DEEPEST} deep in one another')


def _without_comments(text: str) -> str:
    """Return the text without comments; one that does not end is left for the parser to name."""
    parts, start = [], 0
    while (begin := text.find('<!--', start)) >= 0:
        end = text.find('-->', begin + 4)
        if end < 0:
            break
        parts.append(text[start:begin])
        start = end + 3
    return ''.join([*parts, text[start:]])


def name_of(element: Element) -> str:
    """Return what an element is called in errors."""
    return element.get('name') or element.tag


def child(parent: Element, tag: str, where: str) -> Element:
    """Return a child that must be there."""
    found = parent.find(tag)
    if found is None:
        raise DataError(f'{where} has no <{tag}>')
    return found


def refuse_others(
    element: Element, where: str, read: Iterable[str], ignored: Iterable[str] = ()
) -> None:
    """Raise DataError if an element has a child that is neither read nor without meaning here.

    Names with a prefix are extensions of others, which Gazebo leaves alone too.
    """
    known = {*read, *ignored}
    for one in element:
        if one.tag not in known and '.' not in one.tag:
            said = f' {one.get("name") or one.findtext("uri") or ""}'.rstrip()
            raise DataError(f'{where}: <{one.tag}>{said} is not read: see docs/simulation.md')


def unique(elements: Iterable[Element], where: str) -> None:
    """Raise DataError if two of the elements have the same name."""
    names: set[str] = set()
    for one in elements:
        name = one.get('name', '')
        if name in names:
            raise DataError(f'{where}: two elements are called {name!r}')
        names.add(name)


def number(element: Element, path: str, default: float) -> float:
    """Return a number."""
    return vector(element, path, repr(default), 1)[0]


def positive(element: Element, path: str, default: float) -> float:
    """Return a number above 0."""
    value = number(element, path, default)
    if value <= 0:
        raise DataError(f'{name_of(element)}: {path} is {value:g}: more than 0 is needed')
    return value


def vector(element: Element, path: str, default: str, count: int) -> Vector:
    """Return so many finite numbers."""
    text = element.findtext(path) or default
    try:
        values = tuple(float(value) for value in text.split())
    except ValueError:
        values = ()
    if len(values) != count or not np.isfinite(values).all():
        raise DataError(f'{name_of(element)}: {path} is {text!r}: {count} numbers are needed')
    return values


def colour(element: Element, path: str, default: str) -> Vector:
    """Return red, green, blue and alpha, 0..1; alpha may be left out."""
    text = element.findtext(path) or default
    count = 3 if len(text.split()) == 3 else 4
    return (*vector(element, path, default, count), 1.0)[:4]


def flag(element: Element, path: str, default: bool = False) -> bool:
    """Return a boolean, in any case of letters."""
    text = (element.findtext(path) or '').strip().lower()
    if text and text not in (*_TRUE, *_FALSE):
        raise DataError(f'{name_of(element)}: {path} is {text!r}: true or false is needed')
    return text in _TRUE if text else default
