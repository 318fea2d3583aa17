"""Checks of this machine's ROS 2 and network, each with a remedy; used by `iot-fl doctor`."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_MULTICAST_GROUP = '239.255.0.1'
_WANTED_SOCKET_BUFFER = 4 << 20
_WANTED_SHM = 64 << 20
_DISCOVERY_TIMEOUT = 10.0


@dataclass(frozen=True)
class Finding:
    """One check: ok or not, what was seen, and how to mend it. advice: one can do without."""

    check: str
    ok: bool
    seen: str
    remedy: str = ''
    advice: bool = False


def all_checks() -> list[Callable[[], Finding]]:
    """Return the checks in the order in which they make sense."""
    return [ros, messages, multicast, shared_memory, socket_buffers, discovery]


def ros() -> Finding:
    """rclpy can be imported and has a middleware."""
    try:
        import rclpy
    except ImportError as error:
        return Finding(
            'ROS 2', False, str(error), 'source /opt/ros/<distro>/setup.bash or make setup'
        )
    distro = os.environ.get('ROS_DISTRO', 'distribution not named')
    return Finding('ROS 2', True, f'{rclpy.get_rmw_implementation_identifier()}, {distro}')


def messages() -> Finding:
    """The package's messages are built and load."""
    try:
        from iot_fl_ros.core.messages.chunks import ChunkRequest
        from iot_fl_ros.ros.convert import decode, encode

        request = ChunkRequest(
            stamp=0.0,
            run_id='doctor',
            sender_id='a',
            receiver_id='b',
            digest=bytes(32),
            missing=(),
        )
        ok = decode(ChunkRequest, encode(request)) == request
        return Finding('messages', ok, 'a message survives serialization')
    except Exception as error:  # whatever a broken installation raises
        remedy = (
            'build the package: colcon build, or make setup; do not run from the source folder'
        )
        return Finding('messages', False, f'{type(error).__name__}: {error}', remedy)


def multicast() -> Finding:
    """A multicast datagram reaches its sender over loopback (discovery uses multicast)."""
    remedy = 'allow multicast (ip link set lo multicast on), or use ROS_STATIC_PEERS'
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            receiver.settimeout(2.0)
            receiver.bind(('', 0))
            member = struct.pack(
                '4s4s', socket.inet_aton(_MULTICAST_GROUP), socket.inet_aton('127.0.0.1')
            )
            receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                loopback = socket.inet_aton('127.0.0.1')
                sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, loopback)
                sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 0)
                sender.sendto(b'iot-fl', (_MULTICAST_GROUP, receiver.getsockname()[1]))
                receiver.recv(16)
    except OSError as error:
        return Finding('multicast', False, str(error), remedy)
    return Finding('multicast', True, f'{_MULTICAST_GROUP} works over loopback')


def shared_memory() -> Finding:
    """/dev/shm can hold the segments of a fleet on this machine."""
    folder = Path('/dev/shm')
    remedy = 'make /dev/shm larger (docker run --shm-size=1g), or FASTDDS_BUILTIN_TRANSPORTS=UDPv4'
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return Finding('shared memory', False, '/dev/shm is not writable', remedy)
    free = shutil.disk_usage(folder).free
    return Finding('shared memory', free >= _WANTED_SHM, f'{free >> 20} MiB free', remedy)


def socket_buffers() -> Finding:
    """UDP sockets may have buffers that hold a burst of chunks."""
    limits = {}
    for name in ('rmem_max', 'wmem_max'):
        path = Path('/proc/sys/net/core') / name
        limits[name] = int(path.read_text()) if path.is_file() else 0
    return Finding(
        'socket buffers',
        min(limits.values()) >= _WANTED_SOCKET_BUFFER,
        ', '.join(f'net.core.{name}={value}' for name, value in limits.items()),
        'for weights over Wi-Fi: sysctl -w net.core.rmem_max=4194304 net.core.wmem_max=4194304',
    )


def discovery() -> Finding:
    """Two participants on this machine find each other."""
    import rclpy

    contexts = [rclpy.Context(), rclpy.Context()]
    start = time.monotonic()
    try:
        for context in contexts:
            rclpy.init(context=context)
        first, second = (
            rclpy.create_node(f'doctor_{i}', context=context) for i, context in enumerate(contexts)
        )
        found = False
        while not found and time.monotonic() - start < _DISCOVERY_TIMEOUT:
            found = 'doctor_1' in first.get_node_names() and 'doctor_0' in second.get_node_names()
            time.sleep(0.05)
    finally:
        for context in contexts:
            rclpy.try_shutdown(context=context)
    return Finding(
        'discovery',
        found,
        f'after {time.monotonic() - start:.1f} s',
        'check ROS_DOMAIN_ID, ROS_AUTOMATIC_DISCOVERY_RANGE, ROS_LOCALHOST_ONLY and firewalls',
    )
