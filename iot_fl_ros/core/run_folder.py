"""The folder of a run: it has one owner at a time, and holds one run.

Whoever begins or goes on with a run asks here before a file in it changes.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from iot_fl_ros.core.errors import ConfigError, IotFlError

_LOCK = '.owner'
_DAMAGED = (
    'is damaged: delete this file if the folder holds the run that shall go on, or choose another '
    'folder'
)
# Settings that may differ when a run goes on, as dotted names or their beginnings.
_MAY_CHANGE = (
    'run.rounds', 'run.robots', 'run.quorum', 'run.deadline', 'run.settle', 'run.resume',
    'run.output', 'run.heartbeat', 'run.lease', 'run.start_timeout', 'run.updates', 'run.target',
    'run.test_every', 'select.', 'node.', 'robot.', 'energy.', 'data.test_size',
    'data.robot_test_size', 'data.partition_index', 'data.partition_count',
)  # fmt: skip
# Locks of this process; they end with it.
_owned: dict[Path, int] = {}


def check_folder(folder: Path) -> None:
    """Raise ConfigError if a file is where a folder for outputs is to be."""
    there = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    if there.exists() and not there.is_dir():
        raise ConfigError(f'{there} is a file: choose a folder for the output')


def make_folder(folder: Path) -> None:
    """Make a folder for outputs if it is not there; ConfigError if a file is in its place."""
    check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)


def own(folder: Path) -> None:
    """Make this process the owner of a folder until it ends; IotFlError if another one is."""
    make_folder(folder)
    place = folder.resolve()
    if place in _owned:
        return
    file = os.open(place / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(file, 32).decode(errors='replace').strip()
        os.close(file)
        raise IotFlError(
            f'{folder} is in use by process {owner or "?"}: end it, or choose another folder'
        ) from None
    os.ftruncate(file, 0)
    os.pwrite(file, str(os.getpid()).encode(), 0)
    _owned[place] = file


def release(folder: Path) -> None:
    """Give a folder back that this process owns; nothing if it does not."""
    file = _owned.pop(folder.resolve(), None)
    if file is not None:
        os.close(file)


def refuse_taken(
    folder: Path, config: Mapping[str, Any], defaults: Mapping[str, Any], resume: bool
) -> None:
    """Raise IotFlError if another process, or another run, has the folder; change nothing in it.

    config, defaults: as of `check_same_run`. resume: whether the run would go on with what is
    there; one that begins anew takes the place of any other.
    """
    own(folder)
    release(folder)  # it will be that of the process which writes
    if resume:
        check_same_run(folder, config, defaults)


def check_same_run(folder: Path, config: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Raise ConfigError, which names what differs, if the folder holds another run.

    config: every setting, nested as in config.yaml. defaults: the same of a run for which nobody
    set anything; what the folder does not know yet was as there. Settings of clocks, numbers of
    rounds and the like may differ: a run may go on with others.
    """
    path = folder / 'config.yaml'
    if not path.is_file():
        return
    try:
        former = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f'{path} {_DAMAGED}') from error
    if not isinstance(former, Mapping):
        raise ConfigError(f'{path} {_DAMAGED}')
    now, before = dict(_flat(_plain(config))), dict(_flat(former))
    usual = dict(_flat(_plain(defaults)))
    before |= {name: usual[name] for name in now if name not in before and name in usual}
    names = [
        name
        for name in sorted({*before, *now}, key=lambda name: _rank(name, before, now))
        if before.get(name) != now.get(name) and not name.startswith(_MAY_CHANGE)
    ]
    if 'method.name' in names:  # settings of two methods cannot be compared
        names = [n for n in names if n == 'method.name' or not n.startswith('method.')]
    if names:
        shown = '; '.join(
            f'{name} was {_text(before, name)}, is {_text(now, name)}' for name in names[:5]
        )
        more = f'; and {len(names) - 5} more' if len(names) > 5 else ''
        raise ConfigError(
            f'{folder} holds a run with other settings: {shown}{more}; choose another '
            'run.output, or delete the folder'
        )


def _rank(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the place of a setting among those that differ: a method's name says most."""
    return not name.endswith('.name'), name not in before or name not in now, name


def _flat(nested: Any, prefix: str = '') -> Iterator[tuple[str, Any]]:
    if isinstance(nested, Mapping):
        for name, value in nested.items():
            yield from _flat(value, f'{prefix}.{name}' if prefix else str(name))
    else:
        yield prefix, nested


def _plain(config: Mapping[str, Any]) -> Any:
    """Return the settings as they come back from YAML."""
    return yaml.safe_load(yaml.safe_dump(dict(config)))


def _text(flat: Mapping[str, Any], name: str) -> str:
    return repr(flat[name]) if name in flat else 'not set'
