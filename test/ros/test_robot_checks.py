"""Checks of `iot-fl doctor` of a robot's clock, network and camera."""

import os
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import rclpy
from builtin_interfaces.msg import Time
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

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
    for profile, ok in (('same-host', False), ('wifi', True)):
        monkeypatch.setenv('IOT_FL_NETWORK_PROFILE', profile)
        assert robot_checks.wifi().ok == ok, profile


def test_an_interface_with_a_phy_is_wifi_too(interfaces):
    interface(interfaces, 'mlan0')
    assert robot_checks.wifi().ok
    (interfaces / 'mlan0' / 'phy80211').mkdir()
    assert not robot_checks.wifi().ok


@pytest.mark.parametrize(('state', 'ok'), [('on', False), ('off', True)])
def test_power_saving_is_seen(interfaces, monkeypatch, tmp_path, state, ok):
    interface(interfaces, 'wlan0', wifi=True)
    tool = tmp_path / 'bin' / 'iw'
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\necho "Power save: {state}"\n')
    tool.chmod(0o755)
    monkeypatch.setenv('PATH', f'{tool.parent}:{os.environ["PATH"]}')
    monkeypatch.setenv('IOT_FL_NETWORK_PROFILE', 'wifi')
    finding = robot_checks.wifi()
    assert finding.ok == ok
    assert ('wlan0 saves power' in finding.seen) != ok
    assert finding.advice
    monkeypatch.setenv('PATH', str(tmp_path))
    assert robot_checks.wifi().ok, 'without iw nobody can tell'


def test_a_tunnel_with_small_packets_is_seen(interfaces):
    interface(interfaces, 'eth0')
    interface(interfaces, 'down0', mtu=1280, state='down')
    interface(interfaces, 'wg0', mtu=1428)
    (interfaces / 'bonding_masters').touch()
    assert robot_checks.packet_size().ok
    interface(interfaces, 'tun0', mtu=1427)
    finding = robot_checks.packet_size()
    assert not finding.ok
    assert finding.advice
    assert finding.seen == 'tun0 1427 B'


@pytest.mark.parametrize(
    ('value', 'super_client', 'ok', 'said'),
    [
        ('', '', True, 'multicast'),
        ('127.0.0.1:11811', 'TRUE', True, '127.0.0.1'),
        ('127.0.0.1', '', False, 'ROS_SUPER_CLIENT is not set'),
        ('127.0.0.1', '0', False, 'ROS_SUPER_CLIENT is not set'),
        ('127.0.0.1', '1', True, '127.0.0.1'),
        ('127.0.0.1;127.0.0.1:port', '1', False, 'port'),
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


def listened(topic, good):
    """Return the first finding that is `good`, of ever longer listening; else the last one."""
    for seconds in (1.0, 2.0, 4.0, 8.0, 16.0):
        finding = robot_checks.camera(topic, seconds)
        if good(finding):
            break
    return finding


def heard(finding):
    return 'a second' in finding.seen


def test_a_camera_is_heard_with_rate_and_age(publishing, monkeypatch):
    # On a machine that has much to do pictures may be old; how old is too old: see below.
    monkeypatch.setattr(robot_checks, '_STALE', 25.0)
    publishing(0.0)
    finding = listened('/cart/image', heard)
    assert finding.ok, finding.seen
    assert 'rgb8' in finding.seen
    assert '/cart/image: ' in finding.seen


def test_stamps_of_another_clock_are_seen(publishing, monkeypatch):
    monkeypatch.setattr(robot_checks, '_STALE', 25.0)
    publishing(-30.0)
    finding = listened('/cart/image', heard)
    assert heard(finding), finding.seen
    assert not finding.ok
    assert 'clock' in finding.remedy


def test_a_topic_without_pictures_names_those_that_have_some(publishing):
    publishing(0.0)
    finding = listened('/cart/picture', lambda finding: '/cart/image' in finding.remedy)
    assert not finding.ok
    assert 'nobody publishes pictures on /cart/picture' in finding.seen
    assert '/cart/image' in finding.remedy


@pytest.mark.parametrize(
    ('ages', 'ok'),
    [
        ([0.1, 0.2, 9.0], True),  # the median counts, not one that was held up
        ([0.49, 0.49, 0.49], True),
        ([0.1, 0.5, 0.9], False),
        ([-0.6, -0.6, 0.1], False),  # a stamp of the future is of another clock too
    ],
)
def test_pictures_are_judged_by_their_median_age(ages, ok):
    picture = SimpleNamespace(encoding='rgb8')
    gathered = robot_checks._Heard([1_000_000, 2_000_000, 3_000_000], ages, picture)
    finding = robot_checks._judge(gathered, '/eye', 2.0)
    assert finding.ok == ok
    assert finding.advice
    assert finding.seen == (
        f'/eye: 1.5 a second, rgb8, 3.0 MB/s, {1e3 * sorted(ages)[1]:.0f} ms old'
    )


def test_a_topic_on_which_nothing_arrives_fails():
    finding = robot_checks._judge(robot_checks._Heard(), '/eye', 2.0)
    assert not finding.ok
    assert not finding.advice
    assert 'nothing arrived from /eye in 2 s' in finding.seen


def test_a_topic_that_cannot_be_is_a_finding():
    finding = robot_checks.camera('bad name', 0.1)
    assert not finding.ok
    assert 'bad name' in finding.seen


@pytest.mark.parametrize(
    ('state', 'ok', 'said'),
    [
        (0, True, 'follows a'),
        (4, True, 'follows a'),
        (5, False, 'no time'),
        (-1, False, 'not tell'),
    ],
)
def test_a_clock_is_judged_by_what_the_kernel_says(monkeypatch, state, ok, said):
    kernel = SimpleNamespace(adjtimex=lambda timex: state)
    monkeypatch.setattr(robot_checks.ctypes, 'CDLL', lambda *args, **more: kernel)
    finding = robot_checks.system_clock()
    assert finding.ok == ok
    assert said in finding.seen
