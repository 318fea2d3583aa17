"""Checks of what a robot on a radio link needs: its clock, Wi-Fi, discovery and camera."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from iot_fl_ros.ros.checks import Finding
from iot_fl_ros.ros.network_profile import DEFAULT, DISCOVERY_SERVER, VARIABLE

_UNSYNCHRONISED = 5  # TIME_ERROR of adjtimex(2)
_TIMEX_BYTES = 208  # more than struct timex has anywhere
_RTPS_BYTES = 1_428  # a message of profile wifi with its UDP and IP headers
_INTERFACES = Path('/sys/class/net')
_STALE = 0.5  # s between the stamp of a picture and its arrival
_SERVER_PORT = 11811


def system_clock() -> Finding:
    """The kernel says that the clock follows a time server."""
    remedy = (
        'sudo apt install chrony on every machine: deadlines and latencies are differences of '
        'clocks; on a network of its own, let one machine serve time to the others'
    )
    libc = ctypes.CDLL(None, use_errno=True)
    state = -1
    if hasattr(libc, 'adjtimex'):
        state = libc.adjtimex(ctypes.byref((ctypes.c_byte * _TIMEX_BYTES)()))
    if state < 0:
        return Finding('clock', False, 'this system does not tell', remedy, advice=True)
    synchronised = state < _UNSYNCHRONISED
    seen = 'follows a time server' if synchronised else 'follows no time server'
    return Finding('clock', synchronised, seen, remedy, advice=True)


def wifi() -> Finding:
    """Wi-Fi interfaces do not save power, and processes use the profile for radio links."""
    interfaces = [path.name for path in sorted(_INTERFACES.glob('*')) if _is_wifi(path)]
    if not interfaces:
        return Finding('Wi-Fi', True, 'no Wi-Fi interface here')
    saving = [name for name in interfaces if _saves_power(name)]
    if saving:
        return Finding(
            'Wi-Fi', False, f'{", ".join(saving)} saves power: packets wait 100 ms and more',
            f'iw dev {saving[0]} set power_save off (NetworkManager: wifi.powersave = 2)',
            advice=True,
        )  # fmt: skip
    profile = os.environ.get(VARIABLE, '')
    return Finding(
        'Wi-Fi', profile not in ('', DEFAULT),
        f'{", ".join(interfaces)}; network profile {profile or "not set"}',
        f'network_profile:=wifi, or export {VARIABLE}=wifi: see docs/network.md', advice=True,
    )  # fmt: skip


def _is_wifi(interface: Path) -> bool:
    return (interface / 'wireless').is_dir() or (interface / 'phy80211').exists()


def _saves_power(interface: str) -> bool:
    """Return whether `iw` says so; no without it."""
    if shutil.which('iw') is None:
        return False
    command = ['iw', 'dev', interface, 'get', 'power_save']
    done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    return 'power save: on' in done.stdout.lower()


def packet_size() -> Finding:
    """Every interface that is up carries a message of profile wifi in one packet."""
    small = {}
    for path in sorted(_INTERFACES.glob('*')):
        try:
            mtu, up = int((path / 'mtu').read_text()), (path / 'operstate').read_text().strip()
        except (OSError, ValueError):
            continue
        if up == 'up' and mtu < _RTPS_BYTES:
            small[path.name] = mtu
    return Finding(
        'packet size', not small,
        ', '.join(f'{name} {mtu} B' for name, mtu in small.items()) or 'no small MTU',
        'a VPN or tunnel? messages of 1,400 B are cut in two there: set a smaller '
        'maxMessageSize in a profile of your own', advice=True,
    )  # fmt: skip


def discovery_server() -> Finding:
    """The machines that ROS_DISCOVERY_SERVER names have addresses; the CLI sees all topics."""
    given = os.environ.get(DISCOVERY_SERVER, '')
    if not given:
        return Finding('discovery server', True, f'{DISCOVERY_SERVER} is not set: multicast')
    for server in filter(None, given.split(';')):
        host, port = _host_and_port(server)
        try:
            socket.getaddrinfo(host, int(port or _SERVER_PORT), type=socket.SOCK_DGRAM)
        except (OSError, ValueError) as error:
            return Finding('discovery server', False, f'{server}: {error}',
                           f'{DISCOVERY_SERVER}=HOST:PORT[;HOST:PORT]')  # fmt: skip
    if os.environ.get('ROS_SUPER_CLIENT', '').upper() not in ('TRUE', '1'):
        return Finding('discovery server', False, f'{given}; ROS_SUPER_CLIENT is not set',
                       'export ROS_SUPER_CLIENT=TRUE where you call ros2 topic list and the like',
                       advice=True)  # fmt: skip
    return Finding('discovery server', True, given)


def _host_and_port(server: str) -> tuple[str, str]:
    """Return host and port ('' = the usual one) of HOST, HOST:PORT or TCPv4:[HOST]:PORT."""
    address = re.sub(r'^(?:UDP|TCP)v[46]:', '', server)
    bracketed = re.fullmatch(r'\[(.+)\](?::(.*))?', address)
    if bracketed:
        return bracketed[1], bracketed[2] or ''
    host, _, port = address.partition(':')
    return host, port


@dataclass
class _Heard:
    """Messages of a topic: sizes, B, and differences of arrival and stamp, s."""

    sizes: list[int] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)
    last: Any = None


def camera(topic: str, seconds: float = 5.0) -> Finding:
    """Pictures come on `topic`, with stamps of this clock.

    seconds: how long to listen once somebody publishes.
    """
    import rclpy

    context = rclpy.Context()
    rclpy.init(context=context)
    try:
        node = rclpy.create_node('doctor', context=context)
        executor = rclpy.executors.SingleThreadedExecutor(context=context)
        executor.add_node(node)
        return _listen(node, executor, topic, seconds)
    finally:
        rclpy.try_shutdown(context=context)


def _listen(node: Any, executor: Any, topic: str, seconds: float) -> Finding:
    try:
        name = node.resolve_topic_name(topic)
    except Exception as error:  # of a type that rclpy does not tell
        return Finding('camera', False, f'{topic!r}: {error}', 'say it like /robot/camera/image')
    kind = _kind_of(node, executor, name, seconds)
    if kind is None:
        others = ', '.join(t for t, kinds in _topics(node) if _picture_types(kinds)) or 'none'
        return Finding('camera', False, f'nobody publishes pictures on {name}',
                       f'topics with pictures: {others}; same ROS_DOMAIN_ID?')  # fmt: skip
    heard = _Heard()
    from rclpy.qos import qos_profile_sensor_data

    def arrived(message: Any) -> None:
        heard.last = message
        heard.sizes.append(len(message.data))
        stamp = message.header.stamp
        now = node.get_clock().now().nanoseconds * 1e-9
        heard.ages.append(now - (stamp.sec + stamp.nanosec * 1e-9))

    node.create_subscription(kind, name, arrived, qos_profile_sensor_data)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        executor.spin_once(timeout_sec=0.1)
    return _judge(heard, name, seconds)


def _judge(heard: _Heard, name: str, seconds: float) -> Finding:
    if not heard.sizes:
        return Finding('camera', False, f'nothing arrived from {name} in {seconds:g} s',
                       'pictures of 1 MB and more need network_profile camera on this machine; '
                       'compressed pictures over Wi-Fi')  # fmt: skip
    rate, age = len(heard.sizes) / seconds, sorted(heard.ages)[len(heard.ages) // 2]
    what = getattr(heard.last, 'encoding', '') or getattr(heard.last, 'format', '')
    seen = (
        f'{name}: {rate:.1f} a second, {what}, {sum(heard.sizes) / seconds / 1e6:.1f} MB/s, '
        f'{1e3 * age:.0f} ms old'
    )
    return Finding('camera', abs(age) < _STALE, seen,
                   'the stamps are of another clock, or pictures queue up: synchronise clocks, '
                   'or use_sim_time with a simulator', advice=True)  # fmt: skip


def _kind_of(node: Any, executor: Any, topic: str, seconds: float) -> Any:
    """Return the message type of pictures on a topic; None if none turns up."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for name, kinds in _topics(node):
            if name == topic and _picture_types(kinds):
                return _picture_types(kinds)[0]
        executor.spin_once(timeout_sec=0.1)
    return None


def _topics(node: Any) -> list[tuple[str, list[str]]]:
    return list(node.get_topic_names_and_types())


def _picture_types(kinds: list[str]) -> list[Any]:
    from sensor_msgs.msg import CompressedImage, Image

    known = {'sensor_msgs/msg/Image': Image, 'sensor_msgs/msg/CompressedImage': CompressedImage}
    return [known[kind] for kind in kinds if kind in known]
