"""Message definitions that are stored inside bags: ours and those of the ROS 2 in use."""

from __future__ import annotations

import os
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from iot_fl_ros.core.errors import DataError
from iot_fl_ros.ros.share import share_folder

OWN = 'iot_fl_ros'
UNKNOWN = ''
_DISTROS = ('jazzy', 'kilted')


def ros_distro() -> str:
    """Return the ROS 2 distribution in use: `ROS_DISTRO`, else that of the installed wheels."""
    if 'ROS_DISTRO' in os.environ:
        return os.environ['ROS_DISTRO']
    for distro in _DISTROS:
        try:
            version(f'ros-{distro}-rclpy')
        except PackageNotFoundError:
            continue
        return distro
    return _DISTROS[0]


@cache
def typestore() -> Typestore:
    """Return the types of the distribution, with the messages of this package."""
    name = f'ROS2_{ros_distro().upper()}'
    store = get_typestore(Stores.__members__.get(name, Stores.LATEST))
    folder = share_folder() / 'msg'
    files = sorted(folder.glob('*.msg'))
    if not files:
        raise DataError(f'{folder} holds no .msg files: install the package again (make setup)')
    for file in files:
        _register(store, file, OWN)
    return store


def definition_of(ros_type: str) -> tuple[str, str]:
    """Return (text, RIHS01 hash) of the definition of `package/msg/Name`, with all it consists of.

    Both are empty for messages of services and actions, as rosbag2 leaves them too where it finds
    none. DataError if this machine does not know the type.
    """
    if '/msg/' not in ros_type:
        return '', UNKNOWN
    store = typestore()
    try:
        _complete(store, ros_type)
        text, _ = store.generate_msgdef(ros_type, ros_version=2)
        return text, store.hash_rihs01(ros_type)
    except (KeyError, ValueError) as error:
        raise DataError(
            f'the type {ros_type} is not known here: install the package '
            f'{ros_type.split("/")[0]}, or leave its topics out'
        ) from error


def canonical(ros_type: str, raw: bytes) -> bytes:
    """Return a serialized message with zeros for padding.

    Fast CDR leaves there what was in memory before, so the same message gives other bytes.
    """
    store = typestore()
    return bytes(store.serialize_cdr(store.deserialize_cdr(raw, ros_type), ros_type))


def hash_of(ros_type: str, text: str) -> str:
    """Return the RIHS01 hash of the type that a definition describes, UNKNOWN if it is no .msg."""
    store = get_typestore(Stores.EMPTY)
    try:
        store.register(get_types_from_msg(text, ros_type))
        return store.hash_rihs01(ros_type)
    except Exception:  # text from a stranger's file; the parser raises what it likes
        return UNKNOWN


def _complete(store: Typestore, ros_type: str) -> None:
    """Register a type of another installed package, and the types that it uses."""
    if ros_type in store.fielddefs:
        return
    package, _, name = ros_type.partition('/msg/')
    file = _share_of(package) / 'msg' / f'{name}.msg'
    if not file.is_file():
        raise KeyError(ros_type)
    _register(store, file, package)
    for _, description in store.fielddefs[ros_type][1]:
        while isinstance(description[1], tuple) and not isinstance(description[1][0], str):
            description = description[1][0]  # of an array: what it holds
        if description[0] is Nodetype.NAME:
            _complete(store, str(description[1]))


def _register(store: Typestore, file: Path, package: str) -> None:
    store.register(get_types_from_msg(file.read_text(), f'{package}/msg/{file.stem}'))


def _share_of(package: str) -> Path:
    own = share_folder()
    beside = own.parent / package
    if beside.is_dir():
        return beside
    try:
        from ament_index_python.packages import get_package_share_directory

        return Path(get_package_share_directory(package))
    except (ImportError, LookupError, OSError):
        return beside
