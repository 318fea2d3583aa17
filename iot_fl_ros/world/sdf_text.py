"""SDFormat as XML: parsed as generously as Gazebo's own parser, checked element by element."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.world.elements import Vector
from iot_fl_ros.world.sdf_values import boolean, hexadecimal, infinity, numbers, unit

_DEEPEST = 100
# Older ones are of Gazebo's first years; what newer ones mean is not known.
_OLDEST, _NEWEST = 4, 12
_AXES_OF_MODEL = 4  # up to 1.4 an axis is in the frame of its model
_OPENING = re.compile(r'<!--|<!\[CDATA\[')


def parse(text: str, where: str) -> Element:
    """Return the root, which is <sdf>; DataError if the text is not of a version that is read."""
    try:
        root = _elements(_without_comments(text.removeprefix('\ufeff')).strip())
    except (expat.ExpatError, UnicodeError) as error:
        raise DataError(f'cannot read {where}: {error}') from error
    if root.tag != 'sdf':
        raise DataError(f'{where} begins with <{root.tag}>: an SDFormat file begins with <sdf>')
    _check_depth(root, where)
    if _version(root, where) <= _AXES_OF_MODEL:
        for axis in root.iterfind('.//joint/axis/xyz'):
            axis.set('expressed_in', '__model__')
    return root


def _elements(text: str) -> Element:
    """Return the root of an XML text.

    As tinyxml2, which Gazebo uses, it takes prefixes that nobody declared: they stay in the names.
    """
    builder, parser = TreeBuilder(), expat.ParserCreate()
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.Parse(text, True)
    return builder.close()


def _check_depth(root: Element, where: str) -> None:
    """Raise DataError for elements inside of elements without end; models are read recursively."""
    level = [root]
    for _ in range(_DEEPEST):
        level = [inner for one in level for inner in one]
    if level:
        raise DataError(f'{where}: elements lie more than {_DEEPEST} deep in one another')


def _version(root: Element, where: str) -> int:
    """Return n of version 1.n, which must be said, as Gazebo wants it."""
    said = root.get('version')
    match = re.fullmatch(r'1\.([0-9]{1,2})', said or '')
    if match is None or not _OLDEST <= int(match[1]) <= _NEWEST:
        raise DataError(f'{where}: <sdf version={said!r}>: 1.{_OLDEST} to 1.{_NEWEST} is read')
    return int(match[1])


def _without_comments(text: str) -> str:
    """Return the text without comments; one that does not end is left for the parser to name.

    tinyxml2 takes `--` inside of them, which is no XML.
    """
    parts, start, read = [], 0, 0
    while (found := _OPENING.search(text, read)) is not None:
        comment = found[0] == '<!--'
        end = text.find('-->' if comment else ']]>', found.end())
        if end < 0:
            break
        read = end + 3
        if comment:
            parts.append(text[start : found.start()])
            start = read
    return ''.join([*parts, text[start:]])


def name_of(element: Element) -> str:
    """Return what an element is called in errors."""
    return element.get('name') or element.tag


def own_name(element: Element, where: str) -> str:
    """Return the name that an element must have."""
    name = element.get('name')
    if not name:
        raise DataError(f'{where}: a <{element.tag}> has no name')
    return name


def child(parent: Element, tag: str, where: str) -> Element:
    """Return a child that must be there."""
    found = parent.find(tag)
    if found is None:
        raise DataError(f'{where} has no <{tag}>')
    return found


def only_child(parent: Element, tag: str, where: str) -> Element:
    """Return a child that must be there once, with nothing beside it."""
    found = child(parent, tag, where)
    refuse_others(parent, where, (tag,))
    if len(parent.findall(tag)) > 1:
        raise DataError(f'{where} has more than one <{tag}>: one is read')
    return found


def refuse_others(
    element: Element | None, where: str, read: Iterable[str], ignored: Iterable[str] = ()
) -> None:
    """Raise DataError if an element has a child that is neither read nor without meaning here.

    Names with a prefix are extensions of others, which Gazebo leaves alone too.
    """
    known = {*read, *ignored}
    for one in () if element is None else element:
        if one.tag not in known and ':' not in one.tag:
            said = f' {one.get("name") or one.findtext("uri") or ""}'.rstrip()
            raise DataError(f'{where}: <{one.tag}>{said} is not read: see docs/simulation.md')


def refuse_unusual(element: Element, where: str, path: str, usual: float) -> None:
    """Raise DataError if a number, or a bit mask, is not what holds here anyway."""
    mask = hexadecimal(text_of(element, path))
    value = number(element, path, usual) if mask is None else mask
    if value != usual:
        raise DataError(f'{where}: {path} is {value:.10g}: only {usual:.10g} is read')


def unique(elements: Iterable[Element], where: str) -> None:
    """Raise DataError if two of the elements have the same name, or one has none."""
    names: set[str] = set()
    for one in elements:
        name = own_name(one, where)
        if name in names:
            raise DataError(f'{where}: two elements are called {name!r}')
        names.add(name)


def text_of(element: Element, path: str, default: str = '') -> str:
    """Return a text without the blanks around it; the default if nothing is left."""
    return (element.findtext(path) or '').strip() or default


def number(element: Element, path: str, default: float) -> float:
    """Return a number."""
    return vector(element, path, repr(default), 1)[0]


def bound(element: Element, path: str, default: float) -> float:
    """Return a number, which may be infinite."""
    endless = infinity(text_of(element, path))
    return number(element, path, default) if endless is None else endless


def positive(element: Element, path: str, default: float) -> float:
    """Return a number above 0."""
    return sizes(element, path, repr(default), 1, name_of(element))[0]


def whole(element: Element, path: str, default: int, most: int) -> int:
    """Return a whole number from 1 to `most`."""
    value = number(element, path, default)
    if not 1 <= value <= most or value != int(value):
        raise DataError(
            f'{name_of(element)}: {path} is {value:g}: a whole number, more than 0 and at most '
            f'{most}, is needed'
        )
    return int(value)


def share(element: Element, path: str, default: float) -> float:
    """Return a number from 0 to 1."""
    value = number(element, path, default)
    if not 0 <= value <= 1:
        raise DataError(f'{name_of(element)}: {path} is {value:g}: 0 to 1 is needed')
    return value


def vector(element: Element, path: str, default: str, count: int) -> Vector:
    """Return so many finite numbers."""
    text = text_of(element, path, default)
    values = numbers(text)
    if len(values) != count:
        raise DataError(f'{name_of(element)}: {path} is {text!r}: {count} numbers are needed')
    return values


def sizes(element: Element, path: str, default: str, count: int, where: str) -> Vector:
    """Return so many numbers above 0."""
    values = vector(element, path, default, count)
    if min(values) <= 0:
        said = ' '.join(f'{value:g}' for value in values)
        raise DataError(f'{where}: {path} is {said}: more than 0 is needed')
    return values


def direction(element: Element, path: str, default: str, where: str) -> Vector:
    """Return a vector of length 1, from one of any length above 0."""
    values = unit(vector(element, path, default, 3))
    if not values:
        raise DataError(f'{where}: {path} is of length 0')
    return values


def colour(element: Element, path: str, default: str) -> Vector:
    """Return red, green, blue and alpha, 0..1; alpha may be left out."""
    text = text_of(element, path, default)
    count = 3 if len(text.split()) == 3 else 4
    values = vector(element, path, default, count)
    if not all(0 <= value <= 1 for value in values):
        raise DataError(f'{name_of(element)}: {path} is {text!r}: colours are of 0 to 1')
    return (*values, 1.0)[:4]


def flag(element: Element, path: str, default: bool = False) -> bool:
    """Return a boolean."""
    return _flag(element, path, element.findtext(path) or '', default)


def flag_attribute(element: Element, name: str) -> bool:
    """Return a boolean that is an attribute; false if it is left out."""
    return _flag(element, name, element.get(name, ''), False)


def _flag(element: Element, path: str, text: str, default: bool) -> bool:
    value = boolean(text) if text.strip() else default
    if value is None:
        said = f'{path} is {text.strip()!r}'
        raise DataError(f'{name_of(element)}: {said}: true or false is needed')
    return value
