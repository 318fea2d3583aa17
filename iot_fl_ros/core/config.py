"""Settings: dataclasses whose fields say what they are, and the reader that holds people to it.

One description serves YAML validation, ROS parameter declaration and the README's table.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast, get_type_hints

import yaml

from iot_fl_ros.core.errors import ConfigError, one_line
from iot_fl_ros.core.yaml_text import load_written

T = TypeVar('T')
_SECTION = 'ros__parameters'


def setting(
    default: Any,
    doc: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Declare a field of a settings dataclass; bounds are inclusive."""
    metadata = {'doc': doc, 'minimum': minimum, 'maximum': maximum, 'choices': choices}
    if isinstance(default, list):
        return dataclasses.field(default_factory=lambda: list(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Setting:
    """One leaf of a settings class; `name` is dotted, `kind` its Python type."""

    name: str
    kind: type
    default: Any
    doc: str
    minimum: float | None
    maximum: float | None
    choices: tuple[str, ...]

    def check(self, value: Any) -> Any:
        """Return `value` as this setting's type; ConfigError if it does not fit."""
        if self.kind is list:
            return self._check_items(value)
        value = self._converted(value)
        if self.choices and value not in self.choices:
            raise ConfigError(
                f'{self.name} is {value!r}: choose {" or ".join(map(repr, self.choices))}'
            )
        low, high = self.minimum, self.maximum
        if (low is not None and not value >= low) or (high is not None and not value <= high):
            raise ConfigError(f'{self.name} is {value!r}: must be in {bounds_text(low, high)}')
        return value

    def _converted(self, value: Any) -> Any:
        """Return `value` as this setting's type; ConfigError if that would bend it."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if self.kind is float and number:
            return float(value)
        if self.kind is int and number and isinstance(value, int):
            return int(value)
        if self.kind is str and number and (hasattr(value, 'text') or isinstance(value, int)):
            return getattr(value, 'text', str(value))
        kind: Any = self.kind
        if kind in (str, bool) and isinstance(value, kind):
            return value
        text = f'{self.name} is {value!r}: {self.kind.__name__} is needed'
        if self.kind is str and isinstance(value, int | float):
            text += f"; quote text that looks like something else: {self.name}:='...'"
        raise ConfigError(text)

    def _check_items(self, value: Any) -> list[Any]:
        """Return a list of integers within the bounds if the default is one, else of text."""
        of_numbers = bool(self.default) and isinstance(self.default[0], int)
        wanted = 'a list of integers' if of_numbers else 'a list of text'
        if not isinstance(value, Iterable) or isinstance(value, str | Mapping):
            raise ConfigError(f'{self.name} is {value!r}: {wanted} is needed')
        items = list(value)
        if not of_numbers:
            return [str(getattr(item, 'text', item)) for item in items]
        one = dataclasses.replace(self, kind=int)
        return [one.check(item) for item in items]


def settings_of(cls: type, prefix: str = '') -> Iterator[Setting]:
    """Yield every leaf setting of a settings dataclass, nested ones with dotted names."""
    hints = get_type_hints(cls)
    for field in dataclasses.fields(cls):
        name = prefix + field.name
        if dataclasses.is_dataclass(hints[field.name]):
            yield from settings_of(hints[field.name], name + '.')
        elif 'doc' not in field.metadata:
            raise ConfigError(
                f'{cls.__name__}.{field.name} is no setting: declare it as '
                f"`{field.name}: {_type_name(hints[field.name])} = setting(default, 'Words.')`"
            )
        else:
            default = field.default
            if default is dataclasses.MISSING:
                default = cast(Any, field.default_factory)()
            kind = list if isinstance(default, list) else type(default)
            yield Setting(name, kind, default, **field.metadata)


def _type_name(hint: Any) -> str:
    return getattr(hint, '__name__', str(hint))


def setting_names(cls: type) -> set[str]:
    """Return the dotted names of a settings dataclass."""
    return {item.name for item in settings_of(cls)}


def read_settings(cls: type[T], flat: Mapping[str, Any], known: Iterable[str] = ()) -> T:
    """Build a settings dataclass from dotted names; ConfigError names any unknown one.

    `known` lists further names that may be present and are left alone.
    """
    settings = {item.name: item for item in settings_of(cls)}
    refuse_unknown(flat, {*settings, *known})
    values = {name: item.check(flat[name]) for name, item in settings.items() if name in flat}
    return _build(cls, values, '')


def refuse_unknown(names: Iterable[str], known: Iterable[str], what: str = 'setting') -> None:
    """Raise ConfigError for the first name that is not known, with the nearest right one.

    what: that the names are of.
    """
    known = sorted(known)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f': did you mean {near[0]!r}?' if near else f'; known: {", ".join(known)}'
            raise ConfigError(f'unknown {what} {name!r}{hint}')


def flatten(tree: Mapping[str, Any], prefix: str = '') -> dict[str, Any]:
    """Return nested mappings as one mapping with dotted names."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        name = f'{prefix}{key}'
        flat.update(flatten(value, name + '.') if isinstance(value, Mapping) else {name: value})
    return flat


@dataclasses.dataclass(frozen=True)
class Parameters:
    """What a parameter file says, by dotted names. own: of single robots, by id."""

    common: dict[str, Any]
    own: dict[str, dict[str, Any]]


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a parameter file that is the same for all; ConfigError if it is not."""
    parameters = read_parameters(path)
    if parameters.own:
        names = ', '.join(sorted(parameters.own))
        raise ConfigError(f'{path} has settings of {names}: put everything under `/**`')
    return parameters.common


def read_parameters(path: Path) -> Parameters:
    """Read a ROS 2 parameter file, or a plain mapping, which is for all.

    Sections of a ROS 2 file, each with `ros__parameters`: `/**` for all, `/robot_0/**` or
    `/robot_0/learner` for one. ConfigError if the file is missing, no YAML, or has others.
    """
    try:
        tree = load_written(path.read_text()) or {}
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f'cannot read {path}: {one_line(error)}') from error
    if not isinstance(tree, Mapping):
        raise ConfigError(f'{path} holds a {type(tree).__name__}: a mapping is needed')
    by_node = any(_sections_in(one) for one in tree.values())
    if not by_node and not any(str(key).startswith('/') for key in tree):
        return Parameters(flatten(tree), {})
    common: dict[str, Any] = {}
    own: dict[str, dict[str, Any]] = {}
    for key, section in tree.items():
        if not isinstance(section, Mapping) or set(section) != {_SECTION}:
            raise ConfigError(f'{path}: {key} needs one entry, `{_SECTION}:`, with the settings')
        robot_id = _robot_of(str(key), path)
        values = own.setdefault(robot_id, {}) if robot_id else common
        settings = section[_SECTION] or {}
        if not isinstance(settings, Mapping):
            raise ConfigError(f'{path}: {key} holds {settings!r}: settings by name are needed')
        values |= flatten(settings)
    return Parameters(common, own)


def _sections_in(one: Any) -> bool:
    """Return whether a value holds settings of a node, also deeper inside."""
    return isinstance(one, Mapping) and (
        _SECTION in one or any(_sections_in(inner) for inner in one.values())
    )


def _robot_of(key: str, path: Path) -> str:
    """Return the robot that a section of a parameter file is for; '' = all."""
    parts = key.strip('/').split('/')
    if parts == ['**']:
        return ''
    plain = not set(parts[0]) & set('*/')
    if len(parts) == 2 and plain and parts[1] in ('**', '*', 'learner', 'peer', 'tram'):
        return parts[0]
    raise ConfigError(
        f'{path} has a section {key!r}: use /** for all, and /robot_0/** for a robot'
    )


def bounds_text(low: float | None, high: float | None) -> str:
    """Return bounds for people, for example `1..100`."""
    return f'{"" if low is None else f"{low:g}"}..{"" if high is None else f"{high:g}"}'


def _build(cls: type[T], values: Mapping[str, Any], prefix: str) -> T:
    hints = get_type_hints(cls)
    arguments = {}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        name = prefix + field.name
        if dataclasses.is_dataclass(hints[field.name]):
            arguments[field.name] = _build(hints[field.name], values, name + '.')
        elif name in values:
            arguments[field.name] = values[name]
    return cls(**arguments)
