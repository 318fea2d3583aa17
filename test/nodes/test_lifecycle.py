"""The life cycle of every node that lives long: by itself, or managed by somebody else."""

import fcntl
import threading
import time

import pytest
from nav_msgs.msg import Odometry
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.qos import qos_profile_sensor_data as SENSOR
from rosbags.highlevel import AnyReader
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import String
from tiny_split import tiny_bundle

from iot_fl_ros.core.errors import ConfigError, IotFlError, SimulatorError
from iot_fl_ros.core.run_folder import release
from iot_fl_ros.core.store import FolderStore
from iot_fl_ros.data.image_stream import open_stream
from iot_fl_ros.nodes.aggregator import AggregatorNode
from iot_fl_ros.nodes.application import Threads
from iot_fl_ros.nodes.collector import CollectorNode
from iot_fl_ros.nodes.head import HeadNode
from iot_fl_ros.nodes.image_source import ImageSourceNode
from iot_fl_ros.nodes.learner import LearnerNode
from iot_fl_ros.nodes.peer import PeerNode
from iot_fl_ros.nodes.recorder import RecorderNode
from iot_fl_ros.nodes.simulator import SimulatorNode
from iot_fl_ros.nodes.tail import TailNode
from iot_fl_ros.nodes.tram import TramNode
from iot_fl_ros.split.states import HeadState

PARTICIPANTS = {
    'aggregator': AggregatorNode, 'learner': LearnerNode, 'peer': PeerNode, 'tram': TramNode,
    'head': HeadNode, 'tail': TailNode,
}  # fmt: skip
OTHERS = {
    'recorder': RecorderNode, 'image_source': ImageSourceNode, 'collector': CollectorNode,
    'simulator': SimulatorNode,
}  # fmt: skip


@pytest.fixture
def make(process, toy_settings, tmp_path):
    """Return a maker of nodes by name; `autostart` is false."""
    learning = {k: v for k, v in toy_settings.items() if not k.startswith(('run.', 'method.'))}
    settings = {
        'aggregator': toy_settings,
        'learner': learning,
        'peer': {**learning, 'mesh.count': 3, 'run.output': str(tmp_path / 'run')},
        'tram': {**learning, 'tram.count': 3, 'run.output': str(tmp_path / 'run')},
        'head': {'bundle_dir': str(tmp_path), 'bundle': 'tiny'},
        'tail': {'bundle_dir': str(tmp_path)},
        'recorder': {'bag': str(tmp_path / 'bag'), 'topics': ['/map', '/never']},
        'image_source': {'source': 'fashion-mnist', 'rate': 200.0},
        'collector': {'output': str(tmp_path / 'samples')},
        'simulator': {'robots': 1, 'real_time_factor': 0.0},
    }

    def make(name, **changes):
        if name == 'head':
            tiny_bundle(tmp_path / 'tiny', seed=0, bits=8)
        more = {'threads': process.threads} if name in PARTICIPANTS else {}
        try:
            return process.make(
                {**PARTICIPANTS, **OTHERS}[name],
                {**settings[name], 'autostart': False, **changes},
                namespace='robot_0',
                **more,
            )
        except SimulatorError as error:
            pytest.skip(str(error))

    return make


def trigger(node, *transitions):
    for transition in transitions:
        assert getattr(node, f'trigger_{transition}')().name == 'SUCCESS', transition


def entities(node):
    """Return how many of each kind of entity a node has."""
    return [len(list(kind)) for kind in (node.publishers, node.subscriptions, node.timers)]


@pytest.mark.parametrize('name', [*PARTICIPANTS, *OTHERS])
def test_a_node_waits_for_its_manager_and_comes_and_goes(name, make, process):
    node = make(name)
    node.start()
    assert node._state_machine.current_state[1] == 'unconfigured'
    trigger(node, 'configure')
    idle = entities(node)
    for _ in range(2):
        trigger(node, 'activate')
        assert entities(node) != idle, 'an active node does something'
        for _ in range(10):
            process.executor.spin_once(timeout_sec=0.01)
        trigger(node, 'deactivate')
        assert entities(node) == idle, 'nothing that was begun goes on'
    trigger(node, 'activate', 'shutdown')
    assert entities(node) == idle


def test_an_aggregator_that_begins_anew_forgets_the_former_checkpoint(make, tmp_path):
    store = FolderStore(tmp_path / 'run/checkpoints')
    store.write({'run_id': 'former', 'round': 3}, {})
    node = make('aggregator', **{'run.output': str(tmp_path / 'run'), 'run.resume': False})
    trigger(node, 'configure')
    assert store.read() is not None, 'it has not begun'
    trigger(node, 'activate')
    assert store.read() is None


def files(folder):
    """Return what is in a folder; who owns one is no part of it."""
    paths = (path for path in folder.rglob('*') if path.is_file() and path.name != '.owner')
    return {path: path.read_bytes() for path in paths}


@pytest.mark.parametrize('name', ['aggregator', 'peer', 'tram'])
def test_the_folder_of_another_run_is_refused_and_left_as_it_is(name, make, process, tmp_path):
    output = {'run.output': str(tmp_path / 'run')}
    first = make(name, **output)
    trigger(first, 'configure', 'activate')
    process.spin_until(lambda: any((tmp_path / 'run').rglob('config.yaml')))
    trigger(first, 'shutdown')
    before = files(tmp_path)
    other = make(name, **output, **{'data.seed': 5})
    trigger(other, 'configure')
    assert other.trigger_activate().name != 'SUCCESS'
    assert files(tmp_path) == before
    trigger(other, 'shutdown')
    trigger(make(name, **output), 'configure', 'activate')


@pytest.mark.parametrize('name', ['aggregator', 'learner', 'peer', 'tram'])
def test_the_folder_of_another_process_is_refused_and_left_as_it_is(name, make, tmp_path):
    setting = 'robot.checkpoint_dir' if name == 'learner' else 'run.output'
    output = {setting: str(tmp_path / 'run')}
    trigger(make(name, **output), 'configure', 'activate', 'shutdown')
    (place,) = (tmp_path / 'run').rglob('.owner')
    release(place.parent)
    FolderStore(place.parent / 'checkpoints').write({'run_id': 'kept'}, {})
    before = files(tmp_path)
    other = make(name, **output, **({} if name in ('learner', 'tram') else {'run.resume': False}))
    trigger(other, 'configure')
    with place.open() as file:  # a lock of its own, as that of another process
        fcntl.flock(file, fcntl.LOCK_EX)
        assert other.trigger_activate().name != 'SUCCESS'
    assert files(tmp_path) == before
    trigger(other, 'activate')


@pytest.mark.parametrize('name', [*PARTICIPANTS, *OTHERS])
@pytest.mark.parametrize('last', [False, True], ids=['first step', 'last step'])
def test_what_cannot_begin_is_a_failure_that_is_told_and_leaves_nothing(
    name, last, make, monkeypatch
):
    node = make(name, autostart=True)
    idle = entities(node)

    def broken(*args, **kwargs):
        raise OSError('no space left')

    if not last:
        monkeypatch.setattr(
            node, 'make_driver' if name in PARTICIPANTS else 'create_timer', broken
        )
    elif hasattr(node, '_diagnostics'):
        monkeypatch.setattr(node._diagnostics, 'start', broken)
    else:  # after the timer, and whatever came before it
        until_pause = node.until_pause
        monkeypatch.setattr(node, 'until_pause', lambda entity: (until_pause(entity), broken()))
    with pytest.raises(IotFlError, match=r'/robot_0/.* could not be activated, see its log'):
        node.start()
    assert node._state_machine.current_state[1] == 'inactive'
    assert entities(node) == idle
    if name in PARTICIPANTS:
        assert node.driver is None


def test_an_unknown_parameter_is_still_refused(make):
    with pytest.raises(ConfigError, match="did you mean 'rate'"):
        make('image_source', rat=3.0)


def test_a_camera_is_silent_while_it_is_not_active_and_then_goes_on(make, process):
    node, got = make('image_source'), []
    process.node('viewer').create_subscription(Image, '/robot_0/image', got.append, SENSOR)
    trigger(node, 'configure', 'activate')
    process.spin_until(lambda: len(got) >= 3)
    trigger(node, 'deactivate')
    # What was on its way comes; a picture of its own time shows that it is over.
    probe = process.node('probe').create_publisher(Image, '/robot_0/image', SENSOR)
    process.spin_until(lambda: probe.get_subscription_count() > 0)
    probe.publish(Image(height=1))
    process.spin_until(lambda: got[-1].height == 1)
    seen = len(got)
    for _ in range(5):
        process.executor.spin_once(timeout_sec=0.02)
    assert len(got) == seen
    trigger(node, 'activate')
    process.spin_until(lambda: len(got) >= seen + 3)
    stream = open_stream('fashion-mnist')
    first = bytes(next(stream).rgb)
    assert bytes(got[seen].data) != first, 'it goes on, it does not begin anew'


def test_a_world_stands_still_while_its_simulator_is_not_active(make, process):
    node, ticks = make('simulator'), []
    process.node('listener').create_subscription(Clock, '/clock', ticks.append, SENSOR)
    process.node('driver').create_subscription(Odometry, '/robot_0/odom', lambda _: None, 10)
    trigger(node, 'configure', 'activate')
    process.spin_until(lambda: ticks)
    trigger(node, 'deactivate')
    stood = node.simulation.time
    for _ in range(5):
        process.executor.spin_once(timeout_sec=0.02)
    assert node.simulation.time == stood
    trigger(node, 'activate')
    process.spin_until(lambda: node.simulation.time > stood)
    node.close()


def test_a_head_that_leaves_before_an_edge_came_tells_no_error(make, process, capfd):
    node = make('head')
    trigger(node, 'configure', 'activate')
    process.spin_until(lambda: node.machine.state is HeadState.OFFERING_FIRST)
    trigger(node, 'deactivate')
    assert 'cannot start' not in capfd.readouterr().err


# --- the recorder -------------------------------------------------------------------------------


def recorded(bag):
    with AnyReader([bag]) as reader:
        return [
            (c.topic, reader.deserialize(raw, c.msgtype).data) for c, _, raw in reader.messages()
        ]


def test_a_pause_of_the_recorder_hears_nothing_and_repeats_nothing(make, process, tmp_path):
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    speaker = process.node('speaker')
    never = speaker.create_publisher(String, '/never', 10)
    publisher = speaker.create_publisher(String, '/map', latched)
    publisher.publish(String(data='first'))
    node = make('recorder')
    trigger(node, 'configure', 'activate')
    process.spin_until(lambda: node.recording.received == 1)
    for _ in range(2):
        trigger(node, 'deactivate')
        process.spin_until(lambda: publisher.get_subscription_count() == 0)
        trigger(node, 'activate')
        process.spin_until(lambda: publisher.get_subscription_count() == 1)
    trigger(node, 'deactivate')
    process.spin_until(lambda: publisher.get_subscription_count() == 0)
    never.publish(String(data='nobody records'))
    for number in range(5):
        publisher.publish(String(data=f'during the pause {number}'))
    trigger(node, 'activate')
    process.spin_until(lambda: node.recording.received == 2)
    publisher.publish(String(data='after it'))
    process.spin_until(lambda: node.recording.received >= 3)
    told = []
    node.get_logger().info = told.append
    node.close()
    assert recorded(tmp_path / 'bag') == [
        ('/map', 'first'), ('/map', 'during the pause 4'), ('/map', 'after it'),
    ]  # fmt: skip
    assert 'of 1 topics' in told[-1], '/never has nothing in the bag'


# --- the end of a process -----------------------------------------------------------------------


def test_the_threads_of_a_process_share_the_time_that_its_end_may_take():
    threads, release, ran = Threads(), threading.Event(), []
    beside = threads.beside()
    begun = [threading.Event(), threading.Event()]
    for thread, started in zip((threads.worker, beside), begun, strict=True):
        thread.submit(lambda started=started: (started.set(), release.wait(30)))
        thread.submit(lambda: ran.append('after the end'))
    assert all(started.wait(10) for started in begun)
    start = time.monotonic()
    threads.stop(0.4)
    assert 0.3 < time.monotonic() - start < 0.75
    release.set()
    assert threads.worker.join(10)
    assert beside.join(10)
    assert not ran


def test_a_worker_that_had_nothing_to_do_has_no_thread():
    before = threading.active_count()
    threads = Threads()
    threads.beside()
    assert threading.active_count() == before
    threads.stop(1.0)
