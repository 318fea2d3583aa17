"""While nothing comes on a topic, it is told what is there instead."""

import pytest
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image

from iot_fl_ros.ros import awaited as module
from iot_fl_ros.ros.awaited import AwaitedTopic

TYPE = 'sensor_msgs/msg/Image'


@pytest.fixture
def awaited(process, monkeypatch):
    """Return (awaited topic /cam/image, number of messages that came), which is watched."""
    monkeypatch.setattr(module, '_FIRST', 0.2)
    monkeypatch.setattr(module, '_PERIOD', 0.2)
    monkeypatch.setattr(module, '_LOOK', 0.05)
    node = process.node('head')
    came = []
    node.create_subscription(Image, '/cam/image', came.append, qos_profile_sensor_data)
    remedies = {'sensor_msgs/msg/CompressedImage': 'set image_transport:=compressed'}
    watched = AwaitedTopic(node, '/cam/image', TYPE, remedies.get, count=lambda: len(came))
    watched.start()
    yield watched, came
    watched.stop()


def test_a_topic_without_a_publisher_is_told_with_others_of_its_type(process, awaited, capfd):
    process.node('camera').create_publisher(Image, '/cam/image_raw', 10)
    said = ['']

    def told():
        said[0] += capfd.readouterr().err
        return 'nobody publishes it; there is /cam/image_raw' in said[0]

    process.spin_until(told)
    assert f'waiting for {TYPE} on /cam/image' in said[0]


def test_what_a_node_publishes_itself_is_no_hint(process):
    node = process.node('head')
    node.create_publisher(Image, '/cam/annotated', 1)
    watched = AwaitedTopic(node, '/cam/image', TYPE, lambda other: None, count=lambda: 0)
    process.spin_until(lambda: node.count_publishers('/cam/annotated'))
    assert watched.describe().endswith('nobody publishes it')


def test_another_type_is_told_with_what_takes_it(process, awaited):
    # In one process a topic has one type: the name is another one here.
    process.node('camera').create_publisher(CompressedImage, '/cam/other', 10)
    watched, _ = awaited
    watched.topic = '/cam/other'
    wanted = '/cam/other has sensor_msgs/msg/CompressedImage: set image_transport:=compressed'
    process.spin_until(lambda: wanted in watched.describe())


def test_a_publisher_that_says_nothing_is_named(process, awaited):
    process.node('camera').create_publisher(Image, '/cam/image', 10)
    watched, _ = awaited
    process.spin_until(lambda: '/camera publishes it, nothing has come yet' in watched.describe())


def test_a_topic_that_falls_silent_is_told_and_when_it_is_back(process, awaited, capfd):
    publisher = process.node('camera').create_publisher(Image, '/cam/image', 10)
    _, came = awaited
    said = ['']

    def told(text):
        said[0] += capfd.readouterr().err
        return text in said[0]

    def shown():
        publisher.publish(Image())
        return came and told('')

    process.spin_until(shown)
    process.spin_until(lambda: told('/camera publishes it, nothing for'))
    publisher.publish(Image())
    process.spin_until(lambda: told('messages on /cam/image come again, after'))


def test_of_a_topic_that_speaks_once_nothing_is_told_later(process, monkeypatch):
    monkeypatch.setattr(module, '_LOOK', 0.05)
    count = [0]
    watched = AwaitedTopic(
        process.node('head'), '/info', TYPE, lambda other: None, count=lambda: count[0],
        stream=False,
    )  # fmt: skip
    watched.start()
    count[0] = 1
    process.spin_until(lambda: not list(watched._node.timers))
