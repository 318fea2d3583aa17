"""Heads and a tail as real nodes: pictures in, answers out, switches, losses, diagnostics."""

import time

import numpy as np
import pytest
import torch
from diagnostic_msgs.msg import DiagnosticArray
from node_fleets import InProcessSplit
from rclpy.executors import SingleThreadedExecutor
from rclpy.experimental import EventsExecutor
from sensor_msgs.msg import Image
from tiny_split import CLASSES, tiny_bundle

from iot_fl_ros.core.errors import ConfigError
from iot_fl_ros.core.messages.split import Inference
from iot_fl_ros.ros.convert import ROS_TYPES, source_header
from iot_fl_ros.ros.images import to_rgb
from iot_fl_ros.split.bundle import load_bundle
from iot_fl_ros.srv import SwitchSplit

EXECUTORS = [SingleThreadedExecutor, EventsExecutor]


@pytest.fixture(scope='module')
def bundles(tmp_path_factory):
    folder = tmp_path_factory.mktemp('bundles')
    for seed, name in enumerate(('one', 'two')):
        tiny_bundle(folder / name, seed=seed, bits=8)
    return folder


@pytest.fixture
def split(bundles):
    """Return a maker of sets of nodes; they are closed after the test."""
    made = []

    def make(executor=SingleThreadedExecutor):
        made.append(InProcessSplit(bundles, executor))
        return made[-1]

    yield make
    for one in made:
        one.close()


def expected(bundle, rgb, bits):
    """Return what head and tail should say about a picture of which nothing is lost."""
    codec = bundle.with_bits(bits).codec
    inputs = torch.from_numpy(bundle.input.prepare(rgb)[None])
    with torch.inference_mode():
        if bits < 32:
            payload, ranges = codec.encode(bundle.cut.features(inputs)[0].flatten().numpy())
            features = codec.decode(payload, np.ones(len(payload), bool), ranges)[None]
            logits = bundle.cut.tail(torch.from_numpy(codec.parts(features)[0]))
        else:  # the whole model
            logits = bundle.cut.tail(bundle.cut.head(inputs))
    best = logits.softmax(1)[0].topk(5)
    return best.indices.tolist(), best.values.tolist()


def check(camera, answer, bundle, bits, robot_id='robot_0'):
    rgb = camera.shown[answer.header.stamp]  # KeyError: not exactly the source's stamp
    classes, scores = expected(bundle, rgb, bits)
    assert list(answer.class_ids) == classes
    np.testing.assert_allclose(answer.scores, scores, atol=1e-6)
    assert answer.class_names == tuple(CLASSES[n] for n in classes)
    assert (answer.header.frame_id, answer.robot_id) == ('lens', robot_id)
    assert answer.received == 1.0


@pytest.mark.parametrize('transport', ['raw', 'compressed'])
@pytest.mark.parametrize('executor', EXECUTORS)
def test_every_picture_gets_the_answer_of_the_whole_model(split, bundles, executor, transport):
    nodes = split(executor)
    nodes.start_tail()
    camera = nodes.start_head('robot_0', bits=32, image_transport=transport)
    nodes.spin_until(lambda: len(camera.answers) >= 5)
    bundle = load_bundle(bundles / 'one')
    for answer in camera.answers:
        check(camera, answer, bundle, 32)
    assert len({answer.class_ids for answer in camera.answers}) > 1
    frames = [answer.frame for answer in camera.answers]
    assert frames == sorted(set(frames))


@pytest.mark.parametrize('executor', EXECUTORS)
def test_a_switch_changes_bits_then_bundle_and_no_frame_is_read_wrongly(split, bundles, executor):
    nodes = split(executor)
    nodes.start_tail()
    camera = nodes.start_head('robot_0')

    def answered(epoch):
        return sum(answer.epoch == epoch for answer in camera.answers) >= 3

    nodes.spin_until(lambda: answered(1))
    response = nodes.call('robot_0', bits=1)
    assert (response.success, response.epoch, response.message) == (True, 2, '')
    nodes.spin_until(lambda: answered(2))
    response = nodes.call('robot_0', bundle='two', bits=4)
    assert (response.success, response.epoch) == (True, 3)
    nodes.spin_until(lambda: answered(3))
    response = nodes.call('robot_0', bundle='three')
    assert (response.success, response.epoch) == (False, 3)
    assert 'three' in response.message
    count = len(camera.answers)
    nodes.spin_until(lambda: len(camera.answers) > count + 1)

    meaning = {1: ('one', 8), 2: ('one', 1), 3: ('two', 4)}
    for answer in camera.answers:
        name, bits = meaning[answer.epoch]
        check(camera, answer, load_bundle(bundles / name), bits)
    frames = [answer.frame for answer in camera.answers]
    assert frames == list(range(frames[0], frames[0] + len(frames)))  # none is missing
    assert not nodes.tail.machine.endpoint.refusals


@pytest.mark.parametrize('executor', EXECUTORS)
def test_a_bundle_that_only_the_head_has_is_refused_and_all_goes_on(
    split, bundles, executor, tmp_path
):
    tiny_bundle(tmp_path / 'one', seed=0, bits=8)
    tiny_bundle(tmp_path / 'mine', seed=5, bits=8)
    nodes = split(executor)
    nodes.start_tail()
    nodes.bundle_dir = str(tmp_path)
    camera = nodes.start_head('robot_0')
    nodes.spin_until(lambda: camera.answers)
    response = nodes.call('robot_0', bundle='mine')
    assert (response.success, response.epoch) == (False, 1)
    assert 'edge refuses' in response.message
    count = len(camera.answers)
    nodes.spin_until(lambda: len(camera.answers) > count + 2)
    for answer in camera.answers:
        check(camera, answer, load_bundle(bundles / 'one'), 8)


@pytest.mark.parametrize('executor', EXECUTORS)
def test_waiting_for_a_switch_costs_no_processor_time(split, executor):
    nodes = split(executor)
    nodes.start_head('robot_0', switch_timeout=60.0)
    node = nodes.node('client')
    client = node.create_client(SwitchSplit, '/robot_0/head/switch_split')
    nodes.spin_until(client.service_is_ready)
    future = client.call_async(SwitchSplit.Request(bundle='two'))
    machine = nodes.heads['robot_0'].machine
    nodes.spin_until(lambda: machine._offered and machine._offered.info.bundle == 'two')
    spins, end = 0, time.monotonic() + 1.0
    while time.monotonic() < end:
        nodes.executor.spin_once(timeout_sec=0.05)
        spins += 1
    assert not future.done()
    assert spins < 300
    nodes.start_tail()
    nodes.spin_until(future.done)
    assert future.result().success


def test_one_tail_serves_two_heads_each_in_its_own_way(split, bundles):
    nodes = split()
    cameras = {'robot_0': nodes.start_head('robot_0', bundle='one', bits=2),
               'robot_1': nodes.start_head('robot_1', bundle='two', bits=16)}  # fmt: skip
    nodes.start_tail()  # the last to come; what was announced before is not lost
    nodes.spin_until(lambda: all(len(camera.answers) >= 5 for camera in cameras.values()))
    for robot_id, name, bits in (('robot_0', 'one', 2), ('robot_1', 'two', 16)):
        bundle = load_bundle(bundles / name)
        for answer in cameras[robot_id].answers:
            check(cameras[robot_id], answer, bundle, bits, robot_id)


def test_over_an_emulated_link_of_half_the_packets_answers_have_half_of_the_features(split):
    nodes = split()
    nodes.start_tail(deployment='simulation', link__loss=0.5, link__seed=1)
    camera = nodes.start_head('robot_0', deadline=0.4)
    nodes.spin_until(lambda: len(camera.answers) >= 30)
    received = [answer.received for answer in camera.answers]
    assert np.mean(received) == pytest.approx(0.5, abs=0.1)
    assert len(set(received)) > 3
    loss = nodes.tail.machine.statistics['robot_0'].loss
    assert loss.loss == pytest.approx(0.5, abs=0.1)


def test_a_real_deployment_refuses_to_lose_packets_on_purpose(split):
    with pytest.raises(ConfigError, match='simulation'):
        split().start_tail(link__loss=0.1)


def test_names_that_are_no_settings_and_no_robots_are_refused(split):
    with pytest.raises(ConfigError, match='deadline'):
        split().start_head('robot_0', dedline=1.0)
    with pytest.raises(ConfigError, match='robot_id'):
        split().start_head('')


def test_diagnostics_tell_rate_latency_and_losses(split):
    nodes = split()
    nodes.start_tail(deployment='simulation', link__loss=0.3)
    camera = nodes.start_head('robot_0', deadline=0.4)
    found = {}
    nodes.node('operator').create_subscription(
        DiagnosticArray, '/diagnostics',
        lambda message: found.update({status.name: status for status in message.status}), 10,
    )  # fmt: skip
    name = 'iot_fl tail of robot_0'
    nodes.spin_until(lambda: len(camera.answers) > 10)
    found.clear()
    nodes.spin_until(lambda: {name, 'iot_fl head robot_0', 'iot_fl tail edge'} <= found.keys())
    values = {item.key: item.value for item in found[name].values}
    assert 5 < float(values['rate, 1/s']) < 15
    assert 1 < float(values['latency p50, ms']) <= float(values['latency p99, ms']) < 1_000
    assert int(values['packets lost']) > 0.1 * int(values['packets received'])
    assert float(values['packet loss']) == pytest.approx(0.3, abs=0.15)
    assert int(values['frames answered']) > 10
    head = {item.key: item.value for item in found['iot_fl head robot_0'].values}
    assert head['bundle'] == 'one'
    assert int(head['frames sent']) > 10
    assert float(head['head p99, ms']) > 0
    assert found['iot_fl head robot_0'].level == b'\x00'


def test_answers_come_out_of_the_head_and_into_the_picture(split):
    nodes = split()
    nodes.start_tail()
    watcher, answers, drawn = nodes.node('watcher'), [], []
    watcher.create_subscription(
        ROS_TYPES[Inference], '/robot_0/head/inference', answers.append, 10
    )
    watcher.create_subscription(Image, '/robot_0/head/annotated', drawn.append, 1)
    camera = nodes.start_head('robot_0')
    nodes.spin_until(lambda: len(answers) >= 3 and drawn)
    stamps = [source_header(one.header).stamp for one in answers]
    assert set(stamps) <= set(camera.shown)
    shown = camera.shown[source_header(drawn[-1].header).stamp]
    changed = (to_rgb(drawn[-1]) != shown).any(axis=2)
    assert 0 < changed.mean() < 0.9
    assert nodes.heads['robot_0'].machine.answers.answered >= 3
