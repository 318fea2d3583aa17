"""Packets of strangers among real ones: no exception, bounded memory, the same answers."""

import math

import numpy as np
import pytest
from fake_driver import FakeDriver
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_split import Sender, tiny_bundle

from iot_fl_ros.core.messages.split import Inference
from iot_fl_ros.split.jobs import AnswerSettings, TailWorker
from iot_fl_ros.split.tail import TailMachine, max_open

NANO = 1_000_000_000
UINT16, UINT32 = st.integers(0, (1 << 16) - 1), st.integers(0, (1 << 32) - 1)
FLOAT = st.floats(width=32, allow_nan=False, allow_infinity=False)
# Wrong at any time ...
WRONG = st.one_of(
    st.fixed_dictionaries({'robot_id': st.text(max_size=20).filter(lambda t: t != 'robot_1')}),
    st.fixed_dictionaries({'session': UINT32.filter(lambda n: n != 7)}),
    st.fixed_dictionaries({'epoch': UINT32.filter(lambda n: n != 1)}),
    st.fixed_dictionaries({'packet_count': UINT16.filter(lambda n: n != 16)}),
    st.fixed_dictionaries({'element_count': UINT32.filter(lambda n: n != 512)}),
    st.fixed_dictionaries({'packet_index': st.integers(16, (1 << 16) - 1)}),
    st.fixed_dictionaries({'data': st.binary(max_size=1_200).filter(lambda d: len(d) != 8)}),
    st.fixed_dictionaries(
        {'ranges': st.lists(FLOAT, max_size=64).filter(lambda r: len(r) != 2).map(tuple)}
    ),
    st.fixed_dictionaries({'stamp': st.integers(0, 999 * NANO)}),
    st.fixed_dictionaries({'stamp': st.integers(1_001 * NANO, (1 << 31) * NANO - 1)}),
    # A frame that nobody sent: it may be open, beside the real ones.
    st.fixed_dictionaries({'frame': st.integers(100, 105), 'data': st.just(b'\xff' * 8)}),
)
# ... and wrong once its frame has begun.
OTHER_THAN_ITS_FRAME = st.one_of(
    st.fixed_dictionaries({'stamp': st.integers(1_000 * NANO + 1, 1_000 * NANO + 500)}),
    st.fixed_dictionaries({'frame_id': st.text(max_size=9).filter(lambda t: t != 'camera')}),
    st.fixed_dictionaries({'image_width': UINT16.filter(lambda n: n != 640)}),
    st.fixed_dictionaries({'image_height': UINT16.filter(lambda n: n != 480)}),
    st.fixed_dictionaries({'ranges': st.tuples(FLOAT, FLOAT)}),
    st.just({}),  # again
)
HOSTILE = st.tuples(
    st.integers(0, 31), st.integers(0, 31), WRONG | OTHER_THAN_ITS_FRAME
)  # behind which packet, made from which, what is changed


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('hostile')
    tiny_bundle(folder / 'one', range='frame')
    return folder


@pytest.fixture(scope='module')
def sender(folder):
    return Sender(tiny_bundle(folder / 'one', range='frame'))


@pytest.fixture(scope='module')
def worker(folder, sender):
    return TailWorker(folder, AnswerSettings())


def served(worker, sender):
    driver = FakeDriver(TailMachine('edge', 8, 16), worker)
    driver.hear(sender.info(driver.now))
    driver.work()
    driver.take()
    return driver


def check_memory(driver, sender):
    assert len(driver.machine._robots) == 1
    robot = driver.machine._robots['robot_1']
    assert len(robot.frames) <= max_open(sender.bundle.codec.layout.frame_bytes)
    for frame in robot.frames.values():
        assert len(frame._payload) == sender.bundle.codec.layout.frame_bytes
    assert len(robot.closed) <= 4_096
    assert len(driver.machine.endpoint.refusals) <= 1_001


def answers_to(worker, sender, order, hostile):
    """Deliver two frames in `order` with hostile packets in between; return their answers."""
    driver = served(worker, sender)
    real = [*sender.frame(0, driver.now), *sender.frame(1, driver.now)]
    delivered, begun = set(), set()
    for place, which in enumerate(order):
        driver.hear(real[which])
        driver.work()
        delivered.add(which)
        begun.add(real[which].frame)
        for behind, source, change in hostile:
            original = real[source]
            late_only = not (change.keys() - OTHER_FIELDS) and not far(change)
            if behind != place or (late_only and original.frame not in begun):
                continue
            if not change and source not in delivered:
                continue
            driver.hear(original._replace(**change))
            driver.work()
            check_memory(driver, sender)
    return [a for a in driver.take(Inference) if a.frame < 2]


OTHER_FIELDS = {'stamp', 'frame_id', 'image_width', 'image_height', 'ranges'}


def far(change):
    """Return whether a change is wrong at any time, and not only later."""
    stamp = change.get('stamp', 1_000 * NANO)
    return abs(stamp - 1_000 * NANO) > NANO // 2 or len(change.get('ranges', (0, 0))) != 2


@settings(max_examples=150)
@given(st.permutations(range(32)), st.lists(HOSTILE, max_size=40))
def test_hostile_packets_among_real_ones_change_no_answer(worker, sender, order, hostile):
    calm = answers_to(worker, sender, order, [])
    assert sorted(answer.frame for answer in calm) == [0, 1]
    assert all(answer.received == 1.0 for answer in calm)
    assert answers_to(worker, sender, order, hostile) == calm


@settings(max_examples=60)
@given(
    st.lists(
        st.fixed_dictionaries(
            {'frame': st.integers(0, 60), 'packet_index': st.integers(0, 16)},
            optional={
                'stamp': st.integers(999_900_000_000, 1_000_400_000_000),
                'ranges': st.tuples(FLOAT, FLOAT),
                'data': st.binary(min_size=8, max_size=8),
                'image_width': st.just(0),
                'sequence': UINT32,
            },
        ),
        max_size=120,
    )
)
def test_forged_packets_never_raise_and_memory_is_bounded(worker, sender, changes):
    driver = served(worker, sender)
    (packet, *_) = sender.frame(0, driver.now)
    for change in changes:
        driver.hear(packet._replace(**change))
        check_memory(driver, sender)
    driver.advance(1.0)
    driver.work()
    assert not driver.machine._robots['robot_1'].frames
    for answer in driver.take(Inference):
        assert all(math.isfinite(score) and 0 <= score <= 1 for score in answer.scores)


def test_ten_thousand_made_up_robots_and_frames_are_forgotten(worker, sender):
    driver = served(worker, sender)
    (packet, *_) = sender.frame(0, driver.now)
    rng = np.random.default_rng(0)
    for number in range(10_000):
        driver.hear(packet._replace(robot_id=f'{number} {rng.integers(1 << 30)}'))
        driver.hear(packet._replace(frame=number))
    check_memory(driver, sender)
    assert not driver.jobs
    assert driver.timers.keys() == {'due', 'look'}
