"""What `iot-fl doctor` says of a robot's clock, network and camera."""

import os
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import rclpy
from builtin_interfaces.msg import Time
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from iot_fl_ros.cli.main import main
from iot_fl_ros.ros import robot_checks
from iot_fl_ros.ros.images import from_rgb


def interface(folder, name, *, mtu=1500, state='up', wifi=False):
    path = folder / name
    (path / 'wireless').mkdir(parents=True) if wifi else path.mkdir(parents=True)
    (path / 'mtu').write_text(f'{mtu}\n')
    (path / 'operstate').write_text(f'{state}\n')


@pytest.fixture
def interfaces(tmp_path, monkeypatch):
    monkeypatch.setattr(robot_checks, '_INTERFACES', tmp_path)
    monkeypatch.delenv('IOT_FL_NETWORK_PROFILE', raising=False)
    return tmp_path


def test_wifi_wants_its_network_profile(interfaces, monkeypatch):
    assert robot_checks.wifi().ok
    interface(interfaces, 'wlan0', wifi=True)
    finding = robot_checks.wifi()
    assert not finding.ok
    assert finding.advice
    assert 'network_profile:=wifi' in finding.remedy
    monkeypatch.setenv('IOT_FL_NETWORK_PROFILE', 'wifi')
    assert robot_checks.wifi().ok


def test_power_saving_is_seen(interfaces, monkeypatch, tmp_path):
    interface(interfaces, 'wlan0', wifi=True)
    tool = tmp_path / 'bin' / 'iw'
    tool.parent.mkdir()
    tool.write_text('#!/bin/sh\necho "Power save: on"\n')
    tool.chmod(0o755)
    monkeypatch.setenv('PATH', f'{tool.parent}:{os.environ["PATH"]}')
    assert 'wlan0 saves power' in robot_checks.wifi().seen


def test_a_tunnel_with_small_packets_is_seen(interfaces):
    interface(interfaces, 'eth0')
    interface(interfaces, 'down0', mtu=1280, state='down')
    assert robot_checks.packet_size().ok
    interface(interfaces, 'tun0', mtu=1280)
    assert 'tun0 1280 B' in robot_checks.packet_size().seen


@pytest.mark.parametrize(
    ('value', 'super_client', 'ok', 'said'),
    [
        ('', '', True, 'multicast'),
        ('127.0.0.1:11811', 'TRUE', True, '127.0.0.1'),
        ('127.0.0.1', '', False, 'ROS_SUPER_CLIENT is not set'),
        ('TCPv4:[127.0.0.1]:42100;[::1]:11811', 'TRUE', True, '42100'),
        ('127.0.0.1:port', 'TRUE', False, 'port'),
        ('no.such.host.invalid:1', 'TRUE', False, 'no.such.host.invalid'),
    ],
)
def test_a_discovery_server_must_have_an_address(monkeypatch, value, super_client, ok, said):
    monkeypatch.setenv('ROS_DISCOVERY_SERVER', value)
    monkeypatch.setenv('ROS_SUPER_CLIENT', super_client)
    finding = robot_checks.discovery_server()
    assert finding.ok == ok
    assert said in finding.seen


@pytest.fixture
def publishing():
    """Return a function that publishes pictures with a stamp `shift` s from now."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('camera', context=context)
    publisher = node.create_publisher(Image, '/cart/image', qos_profile_sensor_data)
    over = threading.Event()
    threads = []

    def publish(shift):
        picture = np.zeros((24, 32, 3), np.uint8)
        while not over.wait(0.05):
            now = node.get_clock().now().nanoseconds + int(shift * 1e9)
            stamp = Time(sec=now // 10**9, nanosec=now % 10**9)
            publisher.publish(from_rgb(picture, stamp, 'camera'))

    def begin(shift):
        threads.append(threading.Thread(target=publish, args=(shift,)))
        threads[-1].start()

    yield begin
    over.set()
    for thread in threads:
        thread.join()
    node.destroy_node()
    rclpy.try_shutdown(context=context)


def test_a_camera_is_heard_with_rate_and_age(publishing):
    publishing(0.0)
    finding = robot_checks.camera('/cart/image', 2.0)
    assert finding.ok, finding.seen
    assert 'rgb8' in finding.seen


def test_stamps_of_another_clock_are_seen(publishing):
    publishing(-30.0)
    finding = robot_checks.camera('/cart/image', 1.5)
    assert not finding.ok
    assert 'clock' in finding.remedy


def test_a_topic_without_pictures_names_those_that_have_some(publishing):
    publishing(0.0)
    finding = robot_checks.camera('/cart/picture', 1.5)
    assert not finding.ok
    assert '/cart/image' in finding.remedy


def test_doctor_prints_every_check(capsys):
    assert main(['doctor']) in (0, 1)
    printed = capsys.readouterr().out
    for check in ('ROS 2', 'messages', 'discovery', 'clock', 'Wi-Fi', 'packet size'):
        assert check in printed


def test_a_topic_that_cannot_be_is_a_finding():
    finding = robot_checks.camera('bad name', 0.1)
    assert not finding.ok
    assert 'bad name' in finding.seen


@pytest.mark.parametrize(
    ('state', 'ok', 'said'),
    [(0, True, 'follows a'), (5, False, 'no time'), (-1, False, 'not tell')],
)
def test_a_clock_is_judged_by_what_the_kernel_says(monkeypatch, state, ok, said):
    kernel = SimpleNamespace(adjtimex=lambda timex: state)
    monkeypatch.setattr(robot_checks.ctypes, 'CDLL', lambda *args, **more: kernel)
    finding = robot_checks.system_clock()
    assert finding.ok == ok
    assert said in finding.seen
