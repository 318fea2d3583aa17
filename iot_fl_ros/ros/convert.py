"""Between ROS messages and the values of core: field by field, through buffers, never lists."""

from __future__ import annotations

import array
from typing import Any

from rclpy.serialization import deserialize_message, serialize_message

import iot_fl_ros.msg as ros_msg
from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages import KINDS, Kind
from iot_fl_ros.core.messages.fields import SourceHeader, WireMessage, wire_fields

ROS_TYPES: dict[Kind, Any] = {
    kind: getattr(ros_msg, kind.ROS_TYPE or kind.__name__) for kind in KINDS
}

_TYPECODES = {'uint8': 'B', 'uint16': 'H', 'uint32': 'I', 'uint64': 'Q', 'float': 'f'}
_FORMS: dict[str, Any] = {'tuple': tuple, 'bytes': bytes, 'view': memoryview}
_BILLION = 1_000_000_000
# Nothing legal is longer: a chunk's data and room for its names and shapes.
_MAX_WIRE_BYTES = (1 << 20) + (1 << 17)


def encode(message: WireMessage) -> bytes:
    """Return the serialized ROS message of a core value."""
    ros = ROS_TYPES[type(message)]()
    for name, wire in wire_fields(type(message)):
        value = getattr(message, name)
        if name == 'stamp':
            nanoseconds = round(value * _BILLION)
            ros.header.stamp.sec = nanoseconds // _BILLION
            ros.header.stamp.nanosec = nanoseconds % _BILLION
        elif isinstance(value, SourceHeader):
            ros.header.stamp.sec, ros.header.stamp.nanosec = divmod(value.stamp, _BILLION)
            ros.header.frame_id = value.frame_id
        elif wire.ros_type == 'sequence<string>':
            setattr(ros, name, list(value))
        elif wire.ros_type.startswith('sequence<'):
            setattr(ros, name, _to_array(wire.ros_type[9:-1], value))
        else:
            setattr(ros, name, value)
    return serialize_message(ros)


def decode(cls: type[WireMessage], raw: bytes) -> WireMessage:
    """Return the core value of a serialized ROS message; MessageError if it is not a right one."""
    if len(raw) > _MAX_WIRE_BYTES:
        raise MessageError('oversized', f'{len(raw)} bytes, limit {_MAX_WIRE_BYTES}')
    try:
        ros = deserialize_message(raw, ROS_TYPES[cls])
    except Exception as error:  # whatever the middleware raises on bytes from a stranger
        raise MessageError('undecodable', str(error)) from error
    return from_ros(cls, ros)


def from_ros(cls: type[WireMessage], ros: Any) -> WireMessage:
    """Return the core value of a ROS message; MessageError if a field is out of bounds."""
    values = {}
    for name, wire in wire_fields(cls):
        if name == 'stamp':
            stamp = ros.header.stamp
            values[name] = stamp.sec + stamp.nanosec / _BILLION
            continue
        if wire.form == 'header':
            values[name] = source_header(ros.header)
            continue
        value = getattr(ros, name)
        if wire.ros_type.startswith('sequence<'):
            value = _FORMS[wire.form](value)
        values[name] = value
    return cls(**values)


def source_header(header: Any) -> SourceHeader:
    """Return a std_msgs/Header as a value."""
    return SourceHeader(header.stamp.sec * _BILLION + header.stamp.nanosec, header.frame_id)


def _to_array(item: str, value: Any) -> array.array:
    result = array.array(_TYPECODES[item])
    if isinstance(value, tuple):
        result.extend(value)
    else:
        result.frombytes(memoryview(value).cast('B'))
    return result
