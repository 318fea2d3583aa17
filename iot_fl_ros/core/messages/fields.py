"""Field types of the wire contracts: range checks and serialized sizes without any ROS import.

Each message of `core.messages` mirrors one file in `msg/`, field for field; the annotation of a
field is its ROS type. Sizes follow plain CDR (OMG DDS-RTPS, 10.2): 4 bytes of encapsulation, then
primitives aligned to their own size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Annotated, Any, ClassVar, NamedTuple, get_type_hints

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.delivery import Delivery

MAX_TEXT = 255
_MAX_STAMP = (1 << 31) * 1_000_000_000  # ns
MAX_DOCUMENT = 65_536
MAX_ITEMS = 65_536
NO_DIGEST = b''
DIGEST_BYTES = 32
_SIZES = {'uint8': 1, 'uint16': 2, 'uint32': 4, 'uint64': 8, 'float': 4, 'double': 8}


@dataclass(frozen=True)
class Wire:
    """ROS type of a field and what its value may be.

    `limit` caps the length of text and sequences; `nan` allows NaN (never infinity); `form` is
    what a sequence of numbers becomes in Python: a tuple, bytes, or a view of received bytes; a
    header is a time in seconds, or `header` = a SourceHeader.
    """

    ros_type: str
    limit: int = MAX_ITEMS
    nan: bool = False
    form: str = 'tuple'


class SourceHeader(NamedTuple):
    """The header of a sensor's message, kept to the nanosecond: results repeat it."""

    stamp: int  # ns
    frame_id: str


Stamp = Annotated[float, Wire('std_msgs/Header')]
Header = Annotated[SourceHeader, Wire('std_msgs/Header', MAX_TEXT, form='header')]
Text = Annotated[str, Wire('string', MAX_TEXT)]
Document = Annotated[str, Wire('string', MAX_DOCUMENT)]
Texts = Annotated[tuple[str, ...], Wire('sequence<string>')]
UInt8 = Annotated[int, Wire('uint8')]
UInt32 = Annotated[int, Wire('uint32')]
UInt64 = Annotated[int, Wire('uint64')]
Float64 = Annotated[float, Wire('double')]
Measure = Annotated[float, Wire('double', nan=True)]
Digest = Annotated[bytes, Wire('sequence<uint8>', 32, form='bytes')]
Bytes = Annotated[bytes | memoryview, Wire('sequence<uint8>', 1 << 20, form='view')]
Float32s = Annotated[tuple[float, ...], Wire('sequence<float>')]
UInt8s = Annotated[tuple[int, ...], Wire('sequence<uint8>', MAX_TEXT)]
UInt16s = Annotated[tuple[int, ...], Wire('sequence<uint16>', MAX_TEXT)]
UInt32s = Annotated[tuple[int, ...], Wire('sequence<uint32>')]
UInt64s = Annotated[tuple[int, ...], Wire('sequence<uint64>', MAX_TEXT)]


class WireMessage:
    """Base of the messages: checks every field at birth, so that no bad value gets further."""

    __slots__ = ()
    TOPIC: ClassVar[str]
    DELIVERY: ClassVar[Delivery]
    # Name of the .msg file; empty = that of the class.
    ROS_TYPE: ClassVar[str] = ''
    # Fields behind `sender_id` in the .msg file, before those that the base class has too.
    LABELS: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for name, wire in wire_fields(type(self)):
            _check(name, wire, getattr(self, name))
        self.check()

    def check(self) -> None:
        """Check what holds between fields; raises MessageError."""

    @property
    def sender(self) -> str:
        """Id that the message gives as its sender's; empty = it gives none."""
        return str(getattr(self, 'sender_id', '') or getattr(self, 'robot_id', ''))


@dataclass(frozen=True, slots=True, kw_only=True)
class FromSender(WireMessage):
    """A message of any participant."""

    stamp: Stamp
    run_id: Text
    sender_id: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Status(WireMessage):
    """The fields that the statuses of all robots begin with."""

    stamp: Stamp
    run_id: Text
    robot_id: Text
    sequence: UInt32
    started: Float64
    state: UInt8
    reason: Text


def check_range(message: WireMessage, *names: str, high: float = math.inf) -> None:
    """Raise MessageError unless these fields are NaN or in 0..high."""
    for name in names:
        value = getattr(message, name)
        if value < 0 or value > high:
            raise MessageError('out of range', f'{name} is {value}, not in 0..{high:g}')


def check_enum(name: str, value: int, enum: type[IntEnum]) -> None:
    """Raise MessageError unless `value` is one of `enum`."""
    if value not in enum._value2member_map_:
        raise MessageError('out of range', f'{name} is {value}, not one of {list(enum)}')


def check_digest(name: str, value: bytes, needed: bool | None) -> None:
    """Raise MessageError for a wrong length.

    needed: None = may be empty; otherwise it must be there exactly when needed.
    """
    allowed = {None: (0, DIGEST_BYTES), True: (DIGEST_BYTES,), False: (0,)}[needed]
    if len(value) not in allowed:
        raise MessageError('bad digest', f'{name} has {len(value)} bytes, not {allowed[-1]}')


def wire_fields(cls: type[WireMessage]) -> tuple[tuple[str, Wire], ...]:
    """Return (field name, wire type) of a message class in the order of its .msg file."""
    return _wire_fields(cls)  # type: ignore[arg-type]  # mypy: a class is hashable


@cache
def _wire_fields(cls: type[WireMessage]) -> tuple[tuple[str, Wire], ...]:
    hints = get_type_hints(cls, include_extras=True)
    fields = {
        name: hint.__metadata__[0]
        for name, hint in hints.items()
        if isinstance(getattr(hint, '__metadata__', (None,))[0], Wire)
    }
    first = tuple(FromSender.__annotations__) if cls.LABELS else ()
    order = dict.fromkeys((*first, *cls.LABELS, *fields))
    return tuple((name, fields[name]) for name in order)


def wire_size(message: WireMessage) -> int:
    """Return the serialized size of `message` in bytes, as DDS puts it on the wire."""
    size = 0
    for name, wire in wire_fields(type(message)):
        size = _end_of(wire.ros_type, getattr(message, name), size)
    return 4 + size


def _end_of(ros_type: str, value: Any, start: int) -> int:
    """Return the offset behind `value` when it is written at offset `start`."""
    if ros_type == 'std_msgs/Header':
        frame_id = value.frame_id if isinstance(value, SourceHeader) else ''
        return _end_of('string', frame_id, _align(start, 4) + 8)
    if ros_type == 'string':
        return _align(start, 4) + 4 + len(value.encode()) + 1
    if ros_type == 'sequence<string>':
        end = _align(start, 4) + 4
        for item in value:
            end = _end_of('string', item, end)
        return end
    if ros_type.startswith('sequence<'):
        item_size = _SIZES[ros_type[9:-1]]
        end = _align(start, 4) + 4
        return _align(end, item_size) + item_size * len(value) if len(value) else end
    item_size = _SIZES[ros_type]
    return _align(start, item_size) + item_size


def _align(offset: int, size: int) -> int:
    return -(-offset // size) * size


def _check(name: str, wire: Wire, value: Any) -> None:
    """Raise MessageError unless `value` may stand in a field of this type."""
    ros_type = wire.ros_type
    if wire.form == 'header':
        _check_text(name, value.frame_id, wire.limit)
        if not 0 <= value.stamp < _MAX_STAMP:
            raise MessageError('out of range', f'{name} has the stamp {value.stamp} ns')
    elif ros_type in ('std_msgs/Header', 'double'):
        if not isinstance(value, float) or not (
            math.isfinite(value) or (wire.nan and value != value)
        ):
            raise MessageError('not finite', f'{name} is {value!r}, a finite float is needed')
    elif ros_type == 'string':
        _check_text(name, value, wire.limit)
    elif ros_type.startswith('sequence<'):
        if len(value) > wire.limit:
            raise MessageError('too long', f'{name} has {len(value)} items, limit {wire.limit}')
        if ros_type == 'sequence<string>':
            for item in value:
                _check_text(name, item, MAX_TEXT)
        elif ros_type == 'sequence<float>':
            if not all(isinstance(item, float) and math.isfinite(item) for item in value):
                raise MessageError('not finite', f'{name} holds something else than finite floats')
        elif isinstance(value, tuple):
            for item in value:
                _check_int(name, item, ros_type[9:-1])
    else:
        _check_int(name, value, ros_type)


def _check_text(name: str, value: Any, limit: int) -> None:
    if not isinstance(value, str) or len(value) > limit:
        raise MessageError('bad text', f'{name} must be text of at most {limit} characters')


def _check_int(name: str, value: Any, ros_type: str) -> None:
    if not isinstance(value, int) or not 0 <= value < 1 << (8 * _SIZES[ros_type]):
        raise MessageError('out of range', f'{name} is {value!r}, not a {ros_type}')
