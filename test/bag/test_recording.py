"""The recorder: a thread that writes, and a process over DDS that survives its own death."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import rclpy
from domains import next_domain
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosbags.rosbag2 import Reader
from sensor_msgs.msg import Image
from std_msgs.msg import String

from iot_fl_ros.bag.reader import open_bag
from iot_fl_ros.bag.recording import RecordingThread, subscription_for
from iot_fl_ros.bag.writer import BagWriter, qos_tree
from iot_fl_ros.cli.main import main
from iot_fl_ros.core.errors import IotFlError
from iot_fl_ros.nodes.recorder import RecorderNode
from iot_fl_ros.processes.nodes import NodeProcesses

STRING = 'std_msgs/msg/String'


class SlowWriter(BagWriter):
    """A disk that waits until it is told to go on."""

    def __init__(self, path):
        super().__init__(path)
        self.go = threading.Event()
        self.fail = False

    def write(self, *arguments, **more):
        self.go.wait(30)
        if self.fail:
            raise OSError(28, 'No space left on device')
        super().write(*arguments, **more)


def test_what_does_not_fit_the_queue_is_dropped_and_counted(tmp_path):
    writer = SlowWriter(tmp_path / 'bag')
    thread = RecordingThread(writer, 10_000, 0.1)
    thread.add_topic('/a', STRING, [])
    taken = [thread.put('/a', n, bytes(1_000)) for n in range(20)]
    writer.go.set()
    thread.close()
    assert sum(taken) == thread.written == 20 - thread.dropped
    assert 7 <= sum(taken) <= 9
    with open_bag(tmp_path / 'bag') as bag:
        assert [m.stamp for m in bag.messages()] == [n for n, one in enumerate(taken) if one]


def test_a_full_disk_ends_writing_not_the_process(tmp_path):
    writer = SlowWriter(tmp_path / 'bag')
    writer.fail = True
    writer.go.set()
    thread = RecordingThread(writer, 10_000, 0.1)
    thread.add_topic('/a', STRING, [])
    thread.put('/a', 1, b'abcd')
    end = time.monotonic() + 30
    while not thread.error:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert 'No space left' in thread.error
    assert not thread.put('/a', 2, b'abcd')
    thread.close()


def test_a_recorder_whose_disk_was_full_says_so_at_its_end(tmp_path):
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=next_domain())
    given = {'bag': str(tmp_path / 'bag'), 'all': True}
    overrides = [Parameter(name, value=value) for name, value in given.items()]
    node = RecorderNode(context=context, parameter_overrides=overrides)
    node.recording.error = 'bag: No space left on device'
    with pytest.raises(IotFlError, match='No space left'):
        node.close()
    node.destroy_node()
    rclpy.try_shutdown(context=context)


def test_the_profile_that_matches_all_publishers_is_asked_for():
    def offered(reliability, durability=DurabilityPolicy.VOLATILE):
        return QoSProfile(depth=1, reliability=reliability, durability=durability)

    reliable, best = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
    latched = offered(reliable, DurabilityPolicy.TRANSIENT_LOCAL)
    assert subscription_for([offered(reliable)]).reliability is reliable
    assert subscription_for([offered(reliable), offered(best)]).reliability is best
    assert subscription_for([latched]).durability is DurabilityPolicy.TRANSIENT_LOCAL
    mixed = subscription_for([latched, offered(reliable)])
    assert mixed.durability is DurabilityPolicy.VOLATILE
    assert qos_tree([offered(best)])[0]['reliability'] == 'best_effort'


# --- over DDS -----------------------------------------------------------------------------------


@pytest.fixture
def node():
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=int(os.environ['ROS_DOMAIN_ID']))
    one = rclpy.create_node('speaker', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(one)
    one.spin = lambda: executor.spin_once(timeout_sec=0.02)
    yield one
    executor.shutdown()
    one.destroy_node()
    rclpy.try_shutdown(context=context)


def until(condition, node, timeout=60.0):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, 'the condition did not come true in time'
        node.spin()


def holds(file, raw):
    return file.is_file() and raw in file.read_bytes()


def recorder(processes, tmp_path, *more):
    arguments = [part for item in (f'bag:={tmp_path / "bag"}', *more) for part in ('-p', item)]
    processes.start('recorder', arguments)


def test_topics_are_recorded_with_the_qos_that_is_offered(tmp_path, node):
    loud = QoSProfile(depth=50, reliability=ReliabilityPolicy.RELIABLE)
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    shy = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    publishers = {
        name: node.create_publisher(kind, name, qos)
        for name, kind, qos in (('/loud', String, loud), ('/map', String, latched),
                                ('/shy', Image, shy), ('/other', String, loud))
    }  # fmt: skip
    publishers['/map'].publish(String(data='kept for whoever comes'))
    with NodeProcesses(tmp_path) as processes:
        recorder(processes, tmp_path, 'topics:=[/loud,/map,/shy]')
        wanted = [publishers[name] for name in ('/loud', '/map', '/shy')]
        until(lambda: all(p.get_subscription_count() for p in wanted), node)
        assert publishers['/other'].get_subscription_count() == 0
        for number in range(50):
            publishers['/loud'].publish(String(data=str(number)))
        publishers['/shy'].publish(Image(height=1))
        # A late publisher that offers less: the recorder has to ask for less too.
        meek = node.create_publisher(String, '/loud', shy)
        until(meek.get_subscription_count, node)

        def heard():  # what is sent best effort may be lost
            meek.publish(String(data='meek'))
            return holds(tmp_path / 'bag' / 'bag_0.mcap', b'meek')

        until(heard, node)
    assert processes.codes() == {'recorder': 0}
    assert 'dropped 0' in processes.log('recorder')
    with Reader(tmp_path / 'bag') as reader:
        counts = {t: info.msgcount for t, info in reader.topics.items()}
        assert counts.pop('/loud') > 50
        assert counts == {'/map': 1, '/shy': 1}
        profiles = {c.topic: c.ext.offered_qos_profiles[0] for c in reader.connections}
    assert profiles['/map'].durability.name == 'TRANSIENT_LOCAL'
    assert profiles['/shy'].reliability.name == 'BEST_EFFORT'
    assert profiles['/loud'].reliability.name == 'RELIABLE'


@pytest.mark.parametrize('compression', ['none', 'zstd'])
def test_what_was_flushed_survives_a_kill(tmp_path, node, compression):
    qos = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)
    publisher = node.create_publisher(Image, '/camera', qos)
    rng = np.random.default_rng(0)
    message = Image(height=100, width=100, step=300, encoding='rgb8')
    message.data.frombytes(rng.integers(0, 255, 30_000, np.uint8).tobytes())
    sent = 0
    with NodeProcesses(tmp_path) as processes:
        recorder(
            processes, tmp_path, 'topics:=[/camera]', 'flush_period:=0.05',
            f'compression:={compression}',
        )  # fmt: skip
        until(publisher.get_subscription_count, node)
        file = tmp_path / 'bag' / 'bag_0.mcap'

        def far_enough():
            nonlocal sent
            message.header.stamp.sec = sent
            publisher.publish(message)
            sent += 1
            # The kill may tear the chunk that is being written, which is up to 1 MiB long.
            return file.exists() and file.stat().st_size > 2_500_000

        until(far_enough, node)
        on_disk = file.stat().st_size
        processes.kill('recorder')
    with open_bag(tmp_path / 'bag') as bag:
        (note,) = bag.notes
        assert 'the file ends in the middle' in note
        messages = [m.raw for m in bag.messages()]
    assert len(messages) * 30_000 > on_disk - 1_200_000
    stamps = [int.from_bytes(raw[4:8], 'little') for raw in messages]
    assert stamps == list(range(stamps[0], stamps[0] + len(stamps))), 'no hole in the middle'


def test_a_signal_finishes_the_bag(tmp_path, node):
    publisher = node.create_publisher(String, '/a', 10)
    with NodeProcesses(tmp_path) as processes:
        recorder(processes, tmp_path, 'all:=true', 'storage:=sqlite3')
        until(publisher.get_subscription_count, node)
        publisher.publish(String(data='unmistakable'))  # definitions hold `one` too
        until(lambda: holds(tmp_path / 'bag' / 'bag_0.db3', b'unmistakable'), node)
        os.kill(processes.pid('recorder'), signal.SIGTERM)
        until(lambda: not processes.running('recorder'), node)
    assert processes.codes() == {'recorder': 0}
    assert 'Traceback' not in processes.log('recorder')
    with Reader(tmp_path / 'bag') as reader:
        assert reader.topics['/a'].msgcount == 1


@pytest.mark.parametrize(
    ('more', 'message'),
    [(['bag:=/tmp'], 'nothing to record'), (['bag:=/tmp', 'all:=true'], 'there already')],
)  # fmt: skip
def test_wrong_parameters_cost_one_line(tmp_path, more, message):
    with NodeProcesses(tmp_path) as processes:
        processes.start('recorder', [part for item in more for part in ('-p', item)])
        end = time.monotonic() + 60
        while processes.running('recorder'):
            assert time.monotonic() < end
            time.sleep(0.02)
    assert processes.codes() == {'recorder': 1}
    assert message in processes.log('recorder')


def test_the_verb_says_what_is_missing(tmp_path, capsys):
    assert main(['record', '--bag', str(tmp_path / 'bag')]) == 2
    assert 'nothing to record: --topics' in capsys.readouterr().err


def test_the_verb_records_until_it_is_interrupted(tmp_path, node):
    publisher = node.create_publisher(Image, '/robot_0/camera', 10)
    command = [sys.executable, '-m', 'iot_fl_ros.cli.main', 'record', '--bag', str(tmp_path / 'b'),
               '--camera', '/robot_0/camera', '--topics', '/x', '--max-duration', '0.5',
               '--compression', 'lz4']  # fmt: skip
    process = subprocess.Popen(command, env={**os.environ, 'PYTHONSAFEPATH': '1'})
    try:
        until(publisher.get_subscription_count, node)
        end = time.monotonic() + 60

        def second_file():
            assert time.monotonic() < end
            publisher.publish(Image(height=1))
            return (tmp_path / 'b' / 'b_1.mcap').exists()

        until(second_file, node)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        process.kill()
    with Reader(tmp_path / 'b') as reader:
        assert set(reader.topics) == {'/robot_0/camera'}
        assert reader.message_count > 2
