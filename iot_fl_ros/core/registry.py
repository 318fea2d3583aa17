"""Registries: names to factories, open to other packages without touching this one."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any

from iot_fl_ros.core.config import refuse_unknown
from iot_fl_ros.core.errors import ConfigError, one_line


class Registry:
    """Finds a factory by name: built in, by entry point, or by dotted path `package.module:name`.

    Another package adds a name by declaring an entry point in `group`.
    """

    def __init__(self, kind: str, group: str, builtin: Mapping[str, str]) -> None:
        self._kind = kind
        self._group = group
        self._builtin = builtin

    def names(self) -> list[str]:
        """Return every name that can be given without a dotted path, sorted."""
        return sorted({*self._builtin, *(e.name for e in entry_points(group=self._group))})

    def check_remote(self, name: str, trusted: Sequence[str]) -> None:
        """Raise ConfigError if `name`, which came over the network, may not be loaded here.

        A dotted path could name any installed module: the robot's owner has to trust it.
        """
        # Names built in first: to look for entry points reads a file of every installed package.
        if name in trusted or name in self._builtin:
            return
        if name not in self.names():
            raise ConfigError(
                f'{self._kind} {name!r} of the run is not registered here: install it, or add it '
                'to robot.trusted'
            )

    def get(self, name: str) -> Any:
        """Return the object called `name`; ConfigError with the nearest name if there is none."""
        path = self._builtin.get(name, name)
        if ':' not in path:
            for entry in entry_points(group=self._group, name=name):
                return entry.load()
            refuse_unknown([name], self.names(), self._kind)
        module, _, attribute = path.partition(':')
        try:
            return getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError, ValueError) as error:
            raise ConfigError(f'cannot load {self._kind} {name!r}: {one_line(error)}') from error
