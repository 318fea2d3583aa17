import dataclasses
import math

import pytest

from iot_fl_ros.core.errors import MessageError
from iot_fl_ros.core.messages.chunks import ChunkRequest, TensorChunk
from iot_fl_ros.core.messages.federation import RobotStatus, RoundPlan, RoundReport, RunInfo
from iot_fl_ros.core.messages.fields import SourceHeader
from iot_fl_ros.core.messages.split import Inference, SplitInfo, SplitStatus

DIGEST = bytes(range(32))
INFO = RunInfo(
    stamp=1.5,
    run_id='run',
    epoch=1,
    method='dsfl',
    method_settings='beta: 2.0\n',
    model='small_cnn',
    seed=7,
    class_names=('a', 'b'),
    input_shape=(1, 8, 8),
    state_size=99,
    open_set_size=10,
    open_set_digest=DIGEST,
    rounds=3,
    heartbeat_period=1.0,
)
PLAN = RoundPlan(
    stamp=2.25,
    run_id='run',
    epoch=1,
    sequence=4,
    state=1,
    round=2,
    model_version=1,
    model_digest=DIGEST,
    participants=('r1', 'r2'),
    accepted=('r1',),
    time_left=9.5,
)
STATUS = RobotStatus(
    stamp=3.0,
    run_id='run',
    robot_id='r1',
    sequence=5,
    state=4,
    reason='',
    round=2,
    model_version=1,
    update_digest=DIGEST,
    samples=100,
    loss=0.5,
    accuracy=math.nan,
    train_seconds=1.0,
    wait_seconds=0.1,
    bytes_received=1000,
    bytes_sent=2000,
)
CHUNK = TensorChunk(
    stamp=4.0,
    run_id='run',
    sender_id='r1',
    round=2,
    model_version=1,
    sequence=8,
    names=('labels',),
    dtype_codes=(1,),
    dtype_bits=(8,),
    dtype_lanes=(1,),
    ranks=(2,),
    dims=(2, 3),
    digest=DIGEST,
    total_bytes=6,
    chunk_index=0,
    chunk_count=1,
    chunk_bytes=64,
    data=b'123456',
)
REQUEST = ChunkRequest(
    stamp=5.0,
    run_id='run',
    sender_id='r1',
    receiver_id='aggregator',
    digest=DIGEST,
    missing=(1, 4),
)
REPORT = RoundReport(
    stamp=6.0,
    run_id='run',
    round=2,
    model_version=1,
    accuracy=0.5,
    robot_accuracy=0.4,
    loss=math.nan,
    participants=('r1',),
    late=(),
    silent=('r2',),
    refused=(),
    bytes_received=123,
    seconds=1.5,
)
SPLIT_INFO = SplitInfo(
    stamp=7.5,
    robot_id='r1',
    session=9,
    epoch=2,
    bundle='demo',
    bundle_digest=DIGEST,
    split_point='block2.pool',
    task='classification',
    class_names=('a', 'bb', ''),
    bits=2,
    packet_count=16,
    packet_bytes=49,
    permutation_seed=1 << 40,
    layout_digest=DIGEST[::-1],
    deadline=0.2,
)
SPLIT_STATUS = SplitStatus(
    stamp=8.0, edge_id='edge', robot_id='r1', session=9, epoch=2, state=2, reason='no such bundle'
)
INFERENCE = Inference(
    header=SourceHeader(1_700_000_000_123_456_789, 'camera'),
    robot_id='r1',
    session=9,
    epoch=2,
    frame=77,
    received=0.5,
    latency=0.05,
    class_ids=(3, 1),
    class_names=('d', 'b'),
    scores=(0.75, 0.25),
    boxes=(0.0, 0.0, 0.5, 1.0) * 2,
)
ALL = (INFO, PLAN, STATUS, CHUNK, REQUEST, REPORT, SPLIT_INFO, SPLIT_STATUS, INFERENCE)


@pytest.mark.parametrize(
    ('message', 'change', 'reason'),
    [
        (STATUS, {'accuracy': 1.5}, 'out of range'),
        (STATUS, {'train_seconds': math.nan}, 'not finite'),
        (STATUS, {'tags': ('x',) * 65}, 'too long'),
        (STATUS, {'loss': math.inf}, 'not finite'),
        (STATUS, {'state': 99}, 'out of range'),
        (STATUS, {'robot_id': 'aggregator'}, 'bad robot id'),
        (STATUS, {'robot_id': 'x' * 300}, 'bad text'),
        (STATUS, {'round': -1}, 'out of range'),
        (STATUS, {'update_digest': b'short'}, 'bad digest'),
        (PLAN, {'participants': ('r2', 'r1')}, 'not sorted'),
        (PLAN, {'time_left': math.nan}, 'not finite'),
        (INFO, {'rounds': 0}, 'incomplete'),
        (INFO, {'heartbeat_period': 0.0}, 'out of range'),
        (INFO, {'open_set_size': 0}, 'bad digest'),
        (CHUNK, {'dtype_bits': (7,)}, 'bad dtype'),
        (CHUNK, {'dtype_lanes': (2,)}, 'bad dtype'),
        (CHUNK, {'dims': (2, 4)}, 'bad length'),
        (CHUNK, {'dims': (6,)}, 'bad shape'),
        (CHUNK, {'ranks': (2, 2)}, 'bad shape'),
        (CHUNK, {'total_bytes': 1 << 60}, 'bad length'),
        (CHUNK, {'data': b'12345'}, 'bad length'),
        (CHUNK, {'chunk_index': 1}, 'bad length'),
        (CHUNK, {'chunk_count': 2}, 'bad length'),
        (CHUNK, {'chunk_bytes': 0}, 'bad length'),
        (REQUEST, {'missing': tuple(range(70_000))}, 'too long'),
        (SPLIT_INFO, {'robot_id': 'a/b'}, 'bad robot id'),
        (SPLIT_INFO, {'robot_id': ''}, 'bad robot id'),
        (SPLIT_INFO, {'bundle': '../demo'}, 'bad bundle'),
        (SPLIT_INFO, {'bundle': '..'}, 'bad bundle'),
        (SPLIT_INFO, {'bundle_digest': b'short'}, 'bad digest'),
        (SPLIT_INFO, {'layout_digest': b''}, 'bad digest'),
        (SPLIT_INFO, {'deadline': 0.0}, 'out of range'),
        (SPLIT_INFO, {'deadline': 61.0}, 'out of range'),
        (SPLIT_INFO, {'deadline': math.nan}, 'not finite'),
        (SPLIT_INFO, {'bits': 256}, 'out of range'),
        (SPLIT_STATUS, {'state': 3}, 'out of range'),
        (SPLIT_STATUS, {'robot_id': '1robot'}, 'bad robot id'),
        (INFERENCE, {'header': SourceHeader(-1, 'camera')}, 'out of range'),
        (INFERENCE, {'header': SourceHeader(1 << 62, 'camera')}, 'out of range'),
        (INFERENCE, {'header': SourceHeader(1, 'x' * 70_000)}, 'bad text'),
        (INFERENCE, {'scores': (0.5,)}, 'bad length'),
        (INFERENCE, {'scores': (0.5, math.nan)}, 'not finite'),
        (INFERENCE, {'class_names': ('a',)}, 'bad length'),
        (INFERENCE, {'boxes': (0.5,) * 4}, 'bad length'),
        (INFERENCE, {'received': math.inf}, 'not finite'),
    ],
)
def test_a_bad_field_is_refused_at_birth(message, change, reason):
    with pytest.raises(MessageError) as error:
        dataclasses.replace(message, **change)
    assert error.value.reason == reason


def test_specs_follow_names_types_and_shapes():
    spec = CHUNK.specs[0]
    assert (spec.name, spec.dtype, spec.shape, spec.nbytes) == ('labels', 'uint8', (2, 3), 6)
