"""A hostile publisher on every topic while a real run goes on: the result stays, bit for bit."""

import dataclasses
import math

import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy
from rclpy.serialization import serialize_message

from iot_fl_ros.core.messages.chunks import ChunkRequest, TensorChunk
from iot_fl_ros.core.messages.federation import (
    GlobalChunk,
    RobotState,
    RobotStatus,
    RoundPlan,
    RoundReport,
    RunInfo,
)
from iot_fl_ros.core.run_files import read_events
from iot_fl_ros.exchange.chunking import CHUNK_BYTES, Parcel
from iot_fl_ros.ros.convert import ROS_TYPES, encode
from iot_fl_ros.ros.topics import publisher_qos

FIGURES = ('round', 'accuracy', 'robot_accuracy', 'loss', 'model_version', 'participants')
MALLORY = 'mallory'


def figures(fleet):
    rows = [row for row in read_events(fleet.aggregator._folder()) if row['kind'] == 'round']
    return [
        [repr(row[f]) for f in FIGURES] for row in rows
    ], fleet.aggregator.machine.global_digest


def labels(value, shape=(50, 4), dtype=np.uint8):
    return {'labels': np.full(shape, value, dtype), 'distances': np.zeros(shape[0], np.uint8)}


def chunk(kind, tensors, sender, run_id, round=1, version=0):
    return Parcel.of(tensors, round=round, model_version=version).chunks(
        kind, run_id=run_id, sender_id=sender, stamp=0.0, first_sequence=0
    )[0]


def bad_chunks(kind, sender, run_id):
    """Yield serialized chunks that are wrong in one way each; each is complete in itself."""
    yield encode(chunk(kind, labels(64, (49, 4)), sender, run_id))  # wrong shape
    yield encode(chunk(kind, labels(64, dtype=np.float32), sender, run_id))  # wrong dtype
    yield encode(chunk(kind, labels(math.nan, dtype=np.float32), sender, run_id))  # NaN
    yield encode(chunk(kind, labels(0), sender, run_id))  # no distribution
    yield encode(chunk(kind, labels(64), sender, run_id, round=77))  # wrong round
    yield encode(chunk(kind, labels(64), sender, run_id, version=55))  # wrong version
    yield encode(chunk(kind, labels(64), sender, 'another'))  # wrong run
    garbage = np.frombuffer(b'garbage!' * 8, np.uint8)
    packed = {'labels': garbage, 'selected': garbage[:7], 'distances': garbage[:50]}
    yield encode(chunk(kind, packed, sender, run_id))  # cannot be unpacked
    huge = {'labels': np.zeros(CHUNK_BYTES * 3, np.uint8)}
    yield encode(chunk(kind, huge, sender, run_id))  # oversized
    good = encode(chunk(kind, labels(64), sender, run_id))
    yield good[: len(good) // 2]  # truncated
    yield from (good, good)  # duplicate, and not announced by any status
    ros = ROS_TYPES[kind]()
    ros.total_bytes, ros.chunk_count, ros.chunk_bytes = 1 << 62, 1 << 31, 1
    yield serialize_message(ros)  # asks for memory without end


def bad_others(run_id):
    """Yield (topic class, serialized message) for the small messages."""
    status = RobotStatus(
        stamp=0.0,
        run_id=run_id,
        robot_id='robot_0',
        sequence=1,
        started=0.0,
        state=4,
        reason='',
        round=1,
        model_version=0,
        update_digest=bytes(32),
        samples=10,
        loss=0.1,
        accuracy=0.5,
        train_seconds=1.0,
        wait_seconds=0.0,
        bytes_received=1,
        bytes_sent=1,
    )
    plan = RoundPlan(
        stamp=0.0,
        run_id='another',
        epoch=9,
        sequence=9,
        state=1,
        round=1,
        model_version=0,
        model_digest=b'',
        participants=('robot_0',),
        accepted=(),
        time_left=5.0,
    )
    info = RunInfo(
        stamp=0.0,
        run_id='another',
        epoch=9,
        method='dsfl',
        method_settings='',
        model='small_cnn',
        seed=1,
        class_names=('a',),
        input_shape=(1, 8, 8),
        state_size=9,
        open_set_size=0,
        open_set_digest=b'',
        rounds=3,
        heartbeat_period=1.0,
    )
    request = ChunkRequest(
        stamp=0.0,
        run_id=run_id,
        sender_id=MALLORY,
        receiver_id='aggregator',
        digest=bytes(32),
        missing=(),
    )
    report = RoundReport(
        stamp=0.0,
        run_id=run_id,
        round=1,
        model_version=1,
        accuracy=1.0,
        robot_accuracy=1.0,
        loss=0.0,
        participants=(),
        late=(),
        silent=(),
        refused=(),
        bytes_received=0,
        seconds=0.0,
    )
    yield RobotStatus, encode(dataclasses.replace(status, round=99))
    yield RobotStatus, encode(dataclasses.replace(status, run_id='another'))
    yield RobotStatus, encode(status)  # older than what the robot itself says
    yield RoundPlan, encode(plan)
    yield RoundPlan, encode(dataclasses.replace(plan, run_id=run_id, epoch=0, sequence=0))
    yield RunInfo, encode(info)
    yield RunInfo, encode(dataclasses.replace(info, method_settings='[', run_id=run_id))
    yield ChunkRequest, encode(request)
    yield ChunkRequest, encode(dataclasses.replace(request, receiver_id='robot_0'))
    yield RoundReport, encode(report)
    for cls in (RobotStatus, RoundPlan, RunInfo, ChunkRequest):
        yield cls, b'\x00\x01\x00\x00garbage'
        yield cls, b''.join([b'\x00\x01\x00\x00', b'\xff' * 300])
    for cls, message in ((RobotStatus, status), (RoundPlan, plan), (RunInfo, info)):
        ros = ROS_TYPES[cls]()
        if cls is RobotStatus:
            ros.robot_id, ros.run_id, ros.accuracy = 'robot_1', run_id, math.nan
            ros.loss = math.inf
        if cls is RoundPlan:
            ros.time_left = math.nan
        yield cls, serialize_message(ros)
        assert message


class Hostile:
    """Publishes everything bad there is, again and again, also under the names of others."""

    def __init__(self, fleet):
        run_id = fleet.aggregator.machine.info.run_id
        self._publishers = {}
        node = fleet.node(MALLORY)
        for cls in ROS_TYPES:
            qos = publisher_qos(cls)
            if cls in (RunInfo, RoundPlan, GlobalChunk):
                assert qos.durability == DurabilityPolicy.TRANSIENT_LOCAL
            topic = f'/fleet/{cls.TOPIC}'
            self._publishers[cls] = node.create_publisher(ROS_TYPES[cls], topic, qos)
        self._arsenal = [
            *((TensorChunk, raw) for raw in bad_chunks(TensorChunk, MALLORY, run_id)),
            *((TensorChunk, raw) for raw in bad_chunks(TensorChunk, 'robot_0', run_id)),
            *((GlobalChunk, raw) for raw in bad_chunks(GlobalChunk, MALLORY, run_id)),
            *bad_others(run_id),
        ]
        # One at a time: the latched topics keep only the last of a burst.
        node.create_timer(0.004, self._fire)
        self.sent = 0

    def _fire(self):
        cls, raw = self._arsenal[self.sent % len(self._arsenal)]
        self._publishers[cls].publish(raw)
        self.sent += 1

    @property
    def volleys(self):
        """Return how often everything was sent."""
        return self.sent // len(self._arsenal)


@pytest.mark.parametrize(
    'options',
    [{'method.packed': False}, {'method.cache_rounds': 3, 'method.selection': 'confidence'}],
    ids=['plain', 'packed-chained-selected'],
)
def test_bad_input_changes_nothing_and_is_counted(options, fleet):
    calm = fleet(robots=3, output='calm', **options)
    calm.start_all()
    calm.run()

    stormy = fleet(robots=3, output='stormy', **{'run.rounds': 3}, **options)
    stormy.start_aggregator()
    hostile = Hostile(stormy)
    stormy.spin_until(lambda: hostile.volleys >= 1)
    for robot_id in stormy.ids:
        stormy.start_learner(robot_id)
    stormy.run()
    members = stormy.aggregator.machine.roster.statuses()
    assert {i: m.state for i, m in members.items()} == dict.fromkeys(
        stormy.ids, RobotState.FINISHED
    )
    # The robots are free now, and may even try the run that mallory announces.
    stormy.spin_until(lambda: hostile.volleys >= 3)

    assert figures(stormy) == figures(calm)
    counters = stormy.aggregator.machine.endpoint.refusals
    assert counters[MALLORY, 'updates: not asked'] or counters[MALLORY, 'updates: late']
    assert counters[MALLORY, 'updates: foreign run']
    assert counters[MALLORY, 'chunk_requests: not wanted']
    assert counters['robot_0', 'robot_status: wrong round']
    assert counters['(unknown)', 'updates: undecodable']
    assert counters['(unknown)', 'robot_status: undecodable']
    # A latched topic keeps the last message: a robot that is busy does not see each of a volley.
    wanted = [
        (MALLORY, 'global_tensors: wrong tensors'),
        ('aggregator', 'round_plan: foreign run'),
        ('aggregator', 'run_info: foreign run'),
    ]
    stormy.spin_until(
        lambda: all(
            learner.machine.endpoint.refusals[reason]
            for learner in stormy.learners.values()
            for reason in wanted
        )
    )
