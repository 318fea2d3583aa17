"""The recorder says what it leaves out, and records what others call unusual."""

import sys
from contextlib import contextmanager

import pytest
import rclpy
from rclpy.qos import qos_profile_system_default
from rclpy.serialization import deserialize_message
from rclpy.service_introspection import ServiceIntrospectionState
from std_msgs.msg import Int32, String

from iot_fl_ros.bag.reader import open_bag
from iot_fl_ros.bag.recording import message_class
from iot_fl_ros.core.errors import DataError
from iot_fl_ros.nodes import recorder as module
from iot_fl_ros.nodes.recorder import RecorderNode
from iot_fl_ros.srv import SwitchSplit


@pytest.fixture
def record(process, tmp_path, capfd, monkeypatch):
    """Return a starter of a recorder, and what it says."""
    monkeypatch.setattr(module, '_FIRST_ABSENCE', 0.5)
    said = ['']

    def text():
        said[0] += capfd.readouterr().err
        return said[0]

    def start(**settings):
        node = process.make(RecorderNode, {'bag': str(tmp_path / 'bag'), **settings})
        node.start()
        return node, text

    return start


@contextmanager
def other_process(process, name):
    """A node as another process has it: only there a topic can have another type."""
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=process.context.get_domain_id())
    node = rclpy.create_node(name, context=context)
    yield node
    node.destroy_node()
    rclpy.try_shutdown(context=context)


def test_two_types_of_a_topic_are_told_and_one_is_recorded(process, record, tmp_path):
    first = process.node('first').create_publisher(Int32, '/two', 10)
    with other_process(process, 'second') as node:
        second = node.create_publisher(String, '/two', 10)
        recorder, said = record(topics=['/two'])
        process.spin_until(lambda: '/two has 2 types' in said())
        assert 'std_msgs/msg/Int32 is recorded, messages of std_msgs/msg/String are' in said()
        process.spin_until(lambda: first.get_subscription_count() == 1)
        for number in range(3):
            first.publish(Int32(data=number))
            second.publish(String(data='x'))
        process.spin_until(lambda: recorder.recording.received == 3)
        recorder.close()
    assert said().count('has 2 types') == 1
    with open_bag(tmp_path / 'bag') as bag:
        values = [deserialize_message(message.raw, Int32).data for message in bag.messages()]
    assert values == [0, 1, 2]


def test_a_recorder_of_all_that_hears_nothing_says_so(process, record, monkeypatch):
    monkeypatch.setattr('iot_fl_ros.nodes.recorder._FIRST_ABSENCE', 0.2)
    _, said = record(fleet=True)
    process.spin_until(lambda: 'waiting for topics of iot_fl_ros: nothing has come' in said())


def test_topics_that_nobody_publishes_are_told_at_once_and_at_the_end(process, record):
    process.node('camera').create_publisher(String, '/camera/image', 10)
    recorder, said = record(topics=['/camra/image', '/camera/image'])
    nearest = 'waiting for /camra/image: nobody publishes it; there is /camera/image'
    process.spin_until(lambda: nearest in said())
    process.spin_until(
        lambda: 'waiting for /camera/image: /camera publishes it, nothing' in said()
    )
    recorder.close()
    assert 'never came: /camera/image, /camra/image' in said()


def test_events_of_services_are_recorded(process, record, tmp_path):
    server = process.node('server')
    service = server.create_service(SwitchSplit, '/go', lambda request, response: response)
    service.configure_introspection(
        server.get_clock(), qos_profile_system_default, ServiceIntrospectionState.CONTENTS
    )
    recorder, said = record(all=True)
    client = process.node('client').create_client(SwitchSplit, '/go')
    process.spin_until(lambda: 'recording /go/_service_event' in said())
    process.spin_until(client.service_is_ready)
    future = client.call_async(SwitchSplit.Request(bundle='b'))
    process.spin_until(future.done)
    process.spin_until(lambda: '/go/_service_event' in recorder._introduced())
    recorder.close()
    with open_bag(tmp_path / 'bag') as bag:
        topic = bag.topics['/go/_service_event']
        assert topic.ros_type == 'iot_fl_ros/srv/SwitchSplit_Event'
        first = next(bag.messages(['/go/_service_event']))
    event = deserialize_message(first.raw, SwitchSplit.Event)
    assert event.request[0].bundle == 'b'


@pytest.mark.parametrize(
    ('ros_type', 'name'),
    [
        ('std_msgs/msg/String', 'String'),
        ('iot_fl_ros/srv/SwitchSplit_Event', 'SwitchSplit_Event'),
        ('iot_fl_ros/srv/SwitchSplit_Request', 'SwitchSplit_Request'),
    ],
)
def test_classes_are_found_by_their_type(ros_type, name):
    assert message_class(ros_type).__name__ == name


@pytest.mark.parametrize(
    'ros_type',
    ['std_msgs/msg/Nothing', 'no_such/msg/String', 'std_msgs/String', 'iot_fl_ros/srv/X_Event',
     'no_such/action/Go_FeedbackMessage', 'iot_fl_ros/srv/SwitchSplit_Nothing', ''],
)  # fmt: skip
def test_types_that_are_not_installed_are_named(ros_type):
    with pytest.raises(DataError, match=r'is not installed|is no name'):
        message_class(ros_type)


@pytest.mark.parametrize(
    'name',
    ['../x/msg/Y', 'std_msgs/msg/__name__', 'os/path/Join', 'std_srvs/srv/__dict___get',
     'std_msgs/effects/X', 'std_msgs/msg/String/More', 'this/msg/X', ''],
)  # fmt: skip
def test_names_of_strangers_that_are_no_types_are_refused(name):
    with pytest.raises(DataError):
        message_class(name)
    assert 'this' not in sys.modules, 'whatever is imported runs'


def test_a_topic_is_recorded_by_the_type_that_is_published(process, record):
    with other_process(process, 'viewer') as viewer:
        viewer.create_subscription(Int32, '/two', lambda message: None, 10)
        publisher = process.node('camera').create_publisher(String, '/two', 10)
        watcher = process.node('watcher')
        process.spin_until(
            lambda: len(dict(watcher.get_topic_names_and_types()).get('/two', ())) == 2
        )
        recorder, _ = record(topics=['/two'])

        def came():
            publisher.publish(String(data='x'))
            return recorder.recording.received

        process.spin_until(came)


def test_the_fleets_topics_have_our_types_and_others_whatever_can_be_recorded(record):
    node, _ = record(fleet=True)
    types = ['a_pkg/msg/X', 'iot_fl_ros/msg/RobotStatus']
    assert node._type_of('/fleet/robot_status', types) == 'iot_fl_ros/msg/RobotStatus'
    assert node._type_of('/cam/image', types) == 'a_pkg/msg/X'
    node._unusable.add(('/cam/image', 'a_pkg/msg/X'))
    assert node._type_of('/cam/image', types) == 'iot_fl_ros/msg/RobotStatus'
