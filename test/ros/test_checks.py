"""Checks of `iot-fl doctor` of ROS 2 and the network: each where all is well, and where not."""

import socket as sockets
import sys
from types import SimpleNamespace

import pytest
import rclpy

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.ros import checks, convert

MIB = 1 << 20


def test_ros_is_there_or_what_is_missing_is_said(monkeypatch):
    monkeypatch.setenv('ROS_DISTRO', 'jazzy')
    finding = checks.ros()
    assert finding.ok
    assert finding.seen == f'{rclpy.get_rmw_implementation_identifier()}, jazzy'
    monkeypatch.setitem(sys.modules, 'rclpy', None)
    finding = checks.ros()
    assert not finding.ok
    assert not finding.advice
    assert 'rclpy' in finding.seen
    assert 'setup.bash' in finding.remedy


def test_messages_survive_or_the_build_is_to_blame(monkeypatch):
    assert checks.messages().ok
    decode = convert.decode
    monkeypatch.setattr(convert, 'decode', lambda kind, raw: None)
    assert not checks.messages().ok, 'what comes back is something else'

    def broken(kind, raw):
        decode(kind, raw)
        raise MessageError('bad length', 'cut off')

    monkeypatch.setattr(convert, 'decode', broken)
    finding = checks.messages()
    assert not finding.ok
    assert 'MessageError: bad length: cut off' in finding.seen
    assert 'colcon build' in finding.remedy


class Loopback:
    """Sockets of a made-up loopback interface; `multicast`: whether it carries any."""

    def __init__(self, multicast):
        self.multicast = multicast
        self.joined, self.port, self.through, self.queue = None, None, None, []

    def socket(self, family, kind):
        assert (family, kind) == (sockets.AF_INET, sockets.SOCK_DGRAM)
        return One(self)


class One:
    """One of them."""

    def __init__(self, loopback):
        self.loopback = loopback

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def settimeout(self, seconds):
        assert 0 < seconds <= 5

    def bind(self, address):
        self.loopback.port = 4_242

    def getsockname(self):
        return '0.0.0.0', self.loopback.port

    def setsockopt(self, level, option, value):
        assert level == sockets.IPPROTO_IP
        if option == sockets.IP_ADD_MEMBERSHIP:
            self.loopback.joined = sockets.inet_ntoa(value[:4]), sockets.inet_ntoa(value[4:])
        if option == sockets.IP_MULTICAST_IF:
            self.loopback.through = sockets.inet_ntoa(value)

    def sendto(self, data, address):
        group, interface = self.loopback.joined
        on_loopback = self.loopback.through == interface == '127.0.0.1'
        if self.loopback.multicast and on_loopback and address == (group, self.loopback.port):
            self.loopback.queue.append(data)

    def recv(self, size):
        if not self.loopback.queue:
            raise TimeoutError('timed out')
        return self.loopback.queue.pop()


@pytest.mark.parametrize('works', [True, False])
def test_multicast_reaches_its_sender_or_does_not(monkeypatch, works):
    monkeypatch.setattr(checks.socket, 'socket', Loopback(works).socket)
    finding = checks.multicast()
    assert finding.ok == works
    assert not finding.advice
    assert ('timed out' in finding.seen) != works
    assert works or 'multicast on' in finding.remedy


@pytest.mark.parametrize(
    ('free', 'writable', 'ok', 'said'),
    [
        (64 * MIB, True, True, '64 MiB free'),
        (64 * MIB - 1, True, False, '63 MiB free'),
        (64 * MIB, False, False, 'not writable'),
    ],
)
def test_shared_memory_must_be_writable_and_large_enough(monkeypatch, free, writable, ok, said):
    monkeypatch.setattr(checks.shutil, 'disk_usage', lambda folder: SimpleNamespace(free=free))
    monkeypatch.setattr(checks.os, 'access', lambda folder, mode: writable)
    finding = checks.shared_memory()
    assert finding.ok == ok
    assert said in finding.seen
    assert '--shm-size' in finding.remedy


@pytest.mark.parametrize(
    ('limits', 'ok'),
    [
        ({'rmem_max': 4 * MIB, 'wmem_max': 4 * MIB}, True),
        ({'rmem_max': 4 * MIB, 'wmem_max': 4 * MIB - 1}, False),
        ({'rmem_max': 212_992, 'wmem_max': 4 * MIB}, False),
        ({'rmem_max': 4 * MIB}, False),
    ],
)
def test_both_socket_buffers_must_be_large_enough(monkeypatch, tmp_path, limits, ok):
    for name, value in limits.items():
        (tmp_path / name).write_text(f'{value}\n')
    monkeypatch.setattr(checks, 'Path', lambda folder: tmp_path)
    finding = checks.socket_buffers()
    assert finding.ok == ok
    assert f'net.core.wmem_max={limits.get("wmem_max", 0)}' in finding.seen
    assert 'sysctl -w' in finding.remedy


def test_two_participants_find_each_other():
    finding = checks.discovery()
    assert finding.ok, finding.seen


@pytest.mark.parametrize('seen_by', [(), (0,), (1,)], ids=['nobody', 'first', 'second'])
def test_both_must_find_the_other(monkeypatch, seen_by):
    def node(name, context):
        own = int(name[-1])
        names = [name, f'doctor_{1 - own}'] if own in seen_by else [name]
        return SimpleNamespace(get_node_names=lambda: names)

    monkeypatch.setattr(rclpy, 'create_node', node)
    monkeypatch.setattr(checks, '_DISCOVERY_TIMEOUT', 0.1)
    finding = checks.discovery()
    assert not finding.ok
    assert 'ROS_DOMAIN_ID' in finding.remedy
